//! Part of the suite over the trait `Store`: a request is read back as it was written.

use ai_cost_optimizer::domain::answer::{Attempt, AttemptOutcome, CacheHit, FinishReason, Source};
use ai_cost_optimizer::domain::decision::{Complexity, ComplexityTier, Confidence, Quality, StrategyName};
use ai_cost_optimizer::domain::ids::{EntryId, RequestId};
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{Baseline, Forget, RequestRecord, RequestStatus};
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::store::ForgetMode;
use jiff::Timestamp;
use proptest::option;
use proptest::prelude::*;
use strum::VariantArray as _;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{entry, exactly, hit, no_limits, record};

fn any_model() -> impl Strategy<Value = ModelRef> {
    (prop::sample::select(ProviderId::VARIANTS), "[a-z/\"é-]{1,8}")
        .prop_map(|(provider, model)| ModelRef { provider, model })
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let outcomes = [AttemptOutcome::Answered, AttemptOutcome::ModelNotFound, AttemptOutcome::ProviderError];
    let cost = option::of(any::<i64>().prop_map(Usd::from_pico));
    (any_model(), prop::sample::select(outcomes.to_vec()), cost, any::<bool>(), any::<u32>()).prop_map(
        |(reference, outcome, cost, cost_estimated, latency_ms)| Attempt {
            reference,
            outcome,
            cost,
            cost_estimated,
            latency_ms: u64::from(latency_ms),
        },
    )
}

fn any_usage() -> impl Strategy<Value = Usage> {
    any::<[u32; 6]>().prop_map(|counts| {
        let [input, cached, written, hour, output, reasoning] = counts.map(u64::from);
        Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: hour,
            output_tokens: output,
            reasoning_tokens: reasoning,
        }
    })
}

/// A record in which every field that may be absent is so at times.
fn any_record() -> impl Strategy<Value = RequestRecord> {
    let complexity = option::of((0.0..1.0_f64).prop_map(|score| {
        let tier = if score < 0.5 { ComplexityTier::Simple } else { ComplexityTier::Complex };
        Complexity { score, tier }
    }));
    let money = || option::of(any::<i64>().prop_map(Usd::from_pico));
    let baseline = option::of((any_model(), any::<i64>())).prop_map(|baseline| {
        baseline.map(|(reference, pico)| Baseline { reference, cost: Usd::from_pico(pico) })
    });
    let cache = option::of((-1.0..1.0_f32, option::of(0.0..1.0_f64), any::<u32>())).prop_map(|hit| {
        hit.map(|(similarity, score, age)| CacheHit {
            entry_id: EntryId::new(),
            similarity,
            score,
            error_bound: None,
            age_seconds: u64::from(age),
        })
    });
    let who = (any_model(), option::of(any_model()), prop::collection::vec(any_attempt(), 0..4));
    let paid = (any_usage(), money(), money(), baseline, any::<bool>());
    let words = ("\\PC{0,40}", option::of("\\PC{0,10}"), prop::collection::btree_set("[a-c\",]{1,3}", 0..3));
    (who, paid, words, complexity, cache, 0..3_u8, 0..4_000_000_000_000_000_i64).prop_map(
        |((model, reference, attempts), paid, (reason, error, tags), complexity, cache, kind, at)| {
            let (usage, cost, worst_case, baseline, cost_estimated) = paid;
            RequestRecord {
                id: RequestId::new(),
                created_at: Timestamp::from_microsecond(at).unwrap(),
                status: [RequestStatus::Intent, RequestStatus::Completed, RequestStatus::Failed]
                    [usize::from(kind)],
                session: error.clone(),
                tags: tags.into_iter().collect(),
                quality: Quality::VARIANTS[usize::from(kind)],
                strategy: StrategyName::VARIANTS[usize::from(kind)],
                confidence: error.as_ref().map(|_| Confidence::High),
                source: reference.as_ref().map(|_| Source::CacheSemantic),
                finish_reason: reference.as_ref().map(|_| FinishReason::ContentFilter),
                is_audit: kind == 1,
                latency_ms: usage.input_tokens,
                provider_latency_ms: usage.output_tokens,
                reference: if kind == 2 { Some(model) } else { reference },
                reason,
                error,
                complexity,
                usage,
                cost,
                worst_case,
                baseline,
                cost_estimated,
                attempts,
                cache,
                ..record(0)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_record_is_read_back_equal(first in any_record(), second in any_record()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(Stores { here, there, _folder }) = stores().await else { return };
            here.begin_request(first.clone(), no_limits()).await.unwrap();
            assert_eq!(there.find_request(first.id).await.unwrap(), Some((first.clone(), None)));
            // The same request with another end: all but its id and its time is replaced, unless it had ended and
            // this is its intent, come late.
            let second = RequestRecord { id: first.id, created_at: first.created_at, ..second };
            here.record_request(second.clone(), None).await.unwrap();
            let is_late = first.status != RequestStatus::Intent && second.status == RequestStatus::Intent;
            let kept = if is_late { first } else { second };
            assert_eq!(there.find_request(kept.id).await.unwrap(), Some((kept, None)));
        });
    }
}

#[tokio::test]
async fn a_request_is_found_with_its_answer_as_long_as_the_cache_keeps_it() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let bought_by = record(500);
    let kept = entry(1, 1, &bought_by);
    let served = hit(&kept);
    here.record_request(bought_by.clone(), Some(kept.clone())).await.unwrap();
    here.record_request(served.clone(), None).await.unwrap();
    for request in [&bought_by, &served] {
        let found = there.find_request(request.id).await.unwrap();
        assert_eq!(found, Some((request.clone(), Some(kept.text.clone()))));
    }
    there.forget_cache(Forget::All, ForgetMode::Delete).await.unwrap();
    assert_eq!(here.find_request(served.id).await.unwrap(), Some((served, None)));
    assert_eq!(here.find_request(RequestId::new()).await.unwrap(), None, "an unknown request");
    assert!(here.find_exact(exactly(kept.scope, kept.prompt_sha256)).await.unwrap().is_none());
}
