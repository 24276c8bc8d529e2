//! Part of the suite over the trait `Store`: the sum of the rows is every report.

use std::collections::BTreeMap;

use ai_cost_optimizer::domain::answer::Source;
use ai_cost_optimizer::domain::decision::StrategyName;
use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::domain::report::{GroupBy, ReportQuery, Totals};
use ai_cost_optimizer::store::Store;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use strum::VariantArray as _;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{no_limits, now, record};

/// A time within three days, with whole hours and days among them.
fn any_time() -> impl Strategy<Value = Timestamp> {
    let hour = 3_600_000_000_i64;
    let offset = (0..72_i64, prop_oneof![Just(0), Just(1), Just(hour - 1), 0..hour]);
    offset.prop_map(move |(hours, rest)| {
        now().checked_add(SignedDuration::from_micros(hours * hour + rest)).unwrap()
    })
}

/// An amount; one in six is so large that two of them fit no [`Usd`].
fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![5 => -1_000_000_000_000..1_000_000_000_000_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN + 1)]
}

/// What is written of a request, at its beginning or at its end.
fn any_record() -> impl Strategy<Value = RequestRecord> {
    let tags = prop::collection::btree_set("[a-c\"]", 0..3);
    let kinds = (0..6_u8, 0..3_usize, 0..2_usize, any::<[bool; 2]>());
    (any_amount(), any_amount(), tags, kinds, any_time()).prop_map(
        |(pico, baseline, tags, (kind, name, model, [is_estimated, is_audit]), at)| {
            let mut record = record(pico);
            record.tags = tags.into_iter().collect();
            record.created_at = at;
            record.cost_estimated = is_estimated;
            record.is_audit = is_audit;
            record.strategy = StrategyName::VARIANTS[name];
            let provider = ProviderId::VARIANTS[model];
            record.reference = (name > 0).then(|| ModelRef { provider, model: format!("model-{name}") });
            if let Some(compared) = &mut record.baseline {
                compared.cost = Usd::from_pico(baseline);
            }
            match kind {
                0 => record.cost = None,
                1 => (record.status, record.source) = (RequestStatus::Failed, None),
                2 => record.baseline = None,
                3 => record.source = Some(Source::CacheSemantic),
                4 => (record.status, record.source, record.cost) = (RequestStatus::Intent, None, None),
                _ => {}
            }
            record
        },
    )
}

/// Sums as wide as no sum of theirs needs.
#[derive(Default)]
struct Wide {
    cost: i128,
    baseline_cost: i128,
    saved: i128,
    audit_cost: i128,
    worst_case: i128,
    counts: Totals,
}

/// What a report must say, worked out row by row.
fn sum<'a>(records: impl Iterator<Item = &'a RequestRecord>) -> Totals {
    let pico = |amount: Usd| i128::from(amount.pico());
    let wide = records.fold(Wide::default(), |mut wide, record| {
        let totals = &mut wide.counts;
        if record.status == RequestStatus::Intent {
            totals.unsettled_requests += 1;
            wide.worst_case += pico(record.worst_case.unwrap_or_default());
            return wide;
        }
        totals.requests += 1;
        totals.cache_hits += u64::from(record.source == Some(Source::CacheSemantic));
        totals.audits += u64::from(record.is_audit);
        totals.input_tokens += record.usage.input_tokens;
        totals.output_tokens += record.usage.output_tokens;
        totals.unpriced_requests += u64::from(record.cost.is_none());
        totals.estimated_requests += u64::from(record.cost_estimated);
        totals.failed_requests += u64::from(record.status == RequestStatus::Failed);
        wide.cost += pico(record.cost.unwrap_or_default());
        if record.is_audit {
            wide.audit_cost += pico(record.cost.unwrap_or_default());
        }
        if let (Some(saved), Some(baseline)) = (record.saved(), &record.baseline) {
            wide.saved += pico(saved);
            wide.baseline_cost += pico(baseline.cost);
        }
        wide
    });
    let usd = |wide: i128| Usd::from_pico(wide.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
    Totals {
        cost: usd(wide.cost),
        baseline_cost: usd(wide.baseline_cost),
        saved: usd(wide.saved),
        audit_cost: usd(wide.audit_cost),
        unsettled_worst_case: usd(wide.worst_case),
        ..wide.counts
    }
}

/// Between what a sum of savings lies, worked out row by row; `None` where no cost was estimated.
fn doubted<'a>(records: impl Iterator<Item = &'a RequestRecord>, saved: Usd) -> Option<(Usd, Usd)> {
    let estimated = |record: &&RequestRecord| record.status != RequestStatus::Intent && record.cost_estimated;
    let (mut below, mut above, mut is_doubted) = (0, 0, false);
    for record in records.filter(estimated) {
        is_doubted = true;
        let (Some(saved), Some(cost)) = (record.saved(), record.cost) else { continue };
        let [saved, cost, worst] =
            [saved, cost, record.worst_case.unwrap_or_default()].map(|amount| i128::from(amount.pico()));
        let ends = if 0 < cost && cost < worst { [0, saved * worst / cost] } else { [0, saved] };
        below += saved - ends.into_iter().min().unwrap();
        above += ends.into_iter().max().unwrap() - saved;
    }
    let end = |pico: i128| Usd::from_pico(pico.clamp(-i128::from(i64::MAX), i64::MAX.into()) as i64);
    // As wide as the project's function can say.
    let most = |pico: i128| pico.min(i64::MAX.into());
    is_doubted
        .then(|| (end(i128::from(saved.pico()) - most(below)), end(i128::from(saved.pico()) + most(above))))
}

fn keys(record: &RequestRecord, group_by: GroupBy) -> Vec<String> {
    let reference = record.reference.as_ref();
    let none = || "none".to_owned();
    match group_by {
        GroupBy::Provider => vec![reference.map_or_else(none, |reference| reference.provider.to_string())],
        GroupBy::Model => vec![reference.map_or_else(none, ModelRef::to_string)],
        GroupBy::Strategy => vec![record.strategy.to_string()],
        GroupBy::Day => vec![record.created_at.strftime("%Y-%m-%d").to_string()],
        GroupBy::Tag => record.tags.clone(),
        GroupBy::Source => {
            vec![record.source.map_or_else(|| record.status.to_string(), |source| source.to_string())]
        }
    }
}

async fn check(store: &dyn Store, rows: &[RequestRecord], (from, to): (Timestamp, Timestamp)) {
    let inside = || rows.iter().filter(|record| record.created_at >= from && record.created_at < to);
    let whole = store.cost_report(ReportQuery { from, to, group_by: None }).await.unwrap();
    assert_eq!(whole.totals, sum(inside()), "{from} to {to}");
    assert_eq!(whole.saved_between, doubted(inside(), whole.totals.saved), "{from} to {to}");
    for group_by in GroupBy::VARIANTS.iter().copied() {
        let report = store.cost_report(ReportQuery { from, to, group_by: Some(group_by) }).await.unwrap();
        assert_eq!(report.totals, whole.totals, "{group_by}");
        let mut expected: BTreeMap<String, Vec<&RequestRecord>> = BTreeMap::new();
        for record in inside() {
            for key in keys(record, group_by) {
                expected.entry(key).or_default().push(record);
            }
        }
        let order = |left: &Totals, right: &Totals| right.cost.cmp(&left.cost);
        if group_by == GroupBy::Day {
            assert!(report.groups.is_sorted_by_key(|group| &group.key));
        } else {
            let is_ordered = |pair: &[_; 2]| order(pair[0], pair[1]).is_le();
            let totals: Vec<&Totals> = report.groups.iter().map(|group| &group.totals).collect();
            assert!(totals.array_windows().all(is_ordered), "{group_by}");
        }
        let found: BTreeMap<_, _> =
            report.groups.into_iter().map(|group| (group.key, group.totals)).collect();
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(key, rows)| (key, sum(rows.into_iter()))).collect();
        assert_eq!(found, expected, "{group_by}, {from} to {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_sum_of_the_rows_is_every_report(
        writes in prop::collection::vec((any_record(), 0..12_usize), 0..40),
        times in prop::collection::vec((any_time(), any_time()), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(Stores { here, there, _folder }) = stores().await else { return };
            // Some requests are written once, some again and again: each time the last word counts.
            let ids: Vec<RequestId> = (0..12).map(|_| RequestId::new()).collect();
            let mut rows: BTreeMap<RequestId, RequestRecord> = BTreeMap::new();
            for (written, place) in &writes {
                let id = ids[*place];
                let created_at = rows.get(&id).map_or(written.created_at, |earlier| earlier.created_at);
                let written = RequestRecord { id, created_at, ..written.clone() };
                if written.status == RequestStatus::Intent {
                    here.begin_request(written.clone(), no_limits()).await.unwrap();
                } else {
                    here.record_request(written.clone(), None).await.unwrap();
                }
                // An intent that comes after the end says nothing.
                let had_ended = rows.get(&id).is_some_and(|earlier| earlier.status != RequestStatus::Intent);
                if !(had_ended && written.status == RequestStatus::Intent) {
                    rows.insert(id, written);
                }
            }
            let rows: Vec<RequestRecord> = rows.into_values().collect();
            check(&*there, &rows, (Timestamp::MIN, Timestamp::MAX)).await;
            for time in times {
                check(&*there, &rows, time).await;
            }
        });
    }
}

#[tokio::test]
async fn a_provider_that_claims_any_number_of_tokens_breaks_no_sum() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    for _ in 0..3 {
        let mut boast = record(1);
        (boast.usage.input_tokens, boast.usage.output_tokens) = (u64::MAX, u64::MAX);
        here.record_request(boast, None).await.unwrap();
    }
    let everything = ReportQuery { from: Timestamp::MIN, to: Timestamp::MAX, group_by: None };
    let totals = here.cost_report(everything).await.unwrap().totals;
    assert_eq!(totals.requests, 3);
    assert!(totals.input_tokens >= 3 << 31, "{totals:?}");
}
