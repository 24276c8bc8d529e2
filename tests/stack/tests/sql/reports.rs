//! Reports: the sum of the rows is the report, split by anything.

use std::collections::BTreeMap;

use supabase_stack::session::Session;
use uuid::Uuid;

use super::samples::{request, somebody};

/// Numbers of one group in the order of [`SUMS`].
type Sums = [i64; 14];
const SUMS: [&str; 14] = [
    "requests",
    "cost_pico",
    "baseline_cost_pico",
    "saved_pico",
    "cache_hits",
    "audits",
    "audit_cost_pico",
    "input_tokens",
    "output_tokens",
    "unpriced_requests",
    "estimated_requests",
    "failed_requests",
    "unsettled_requests",
    "unsettled_worst_case_pico",
];

/// One request of the table below, and the groups that it is in.
struct Row {
    fields: String,
    keys: BTreeMap<&'static str, Vec<String>>,
    sums: Sums,
}

/// A row of every kind, by a number.
fn row(number: i64) -> Row {
    let cost = (number % 3 != 0).then_some(number * 1_000_003 - 40_000_000);
    let baseline = (number % 5 != 0).then_some(number * 3_000_001);
    let status = ["completed", "completed", "failed", "intent", "completed", "completed", "completed"]
        [(number % 7) as usize];
    let source = match status {
        "completed" => Some(["provider", "cache_exact", "cache_semantic"][(number % 3) as usize]),
        _ => None,
    };
    let saved =
        if status == "completed" { baseline.zip(cost).map(|(baseline, cost)| baseline - cost) } else { None };
    let model = (number % 11 != 0).then(|| format!("model-{}", number % 4));
    let provider = (number % 11 != 0).then(|| format!("provider-{}", number % 2));
    let day = format!("2026-11-{:02}", 10 + number % 5);
    let tags: Vec<String> =
        ["a", "b", "c"][..(number % 4) as usize].iter().map(|tag| (*tag).to_owned()).collect();
    let estimated = number % 13 == 0;
    let audit = number % 4 == 1;
    let text =
        |value: &Option<String>| value.as_ref().map_or("null".to_owned(), |value| format!("\"{value}\""));
    let whole = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let fields = format!(
        r#""status": "{status}", "source": {}, "created_at": "{day}T23:59:59.999999Z", "provider": {}, "model": {},
        "strategy": "{}", "cost_pico": {}, "baseline_cost_pico": {}, "saved_pico": {}, "worst_case_pico": {number},
        "cost_estimated": {estimated}, "is_audit": {audit}, "tags": {tags:?}, "input_tokens": {number}, "output_tokens": 7"#,
        text(&source.map(str::to_owned)),
        text(&provider),
        text(&model),
        if number % 2 == 0 { "hybrid" } else { "complexity" },
        whole(cost),
        whole(baseline),
        whole(saved),
    );
    let is_end = i64::from(status != "intent");
    let sums = [
        is_end,
        is_end * cost.unwrap_or(0),
        saved.and(baseline).unwrap_or(0),
        saved.unwrap_or(0),
        i64::from(matches!(source, Some("cache_exact" | "cache_semantic"))),
        is_end * i64::from(audit),
        is_end * i64::from(audit) * cost.unwrap_or(0),
        is_end * number,
        is_end * 7,
        is_end * i64::from(cost.is_none()),
        is_end * i64::from(estimated),
        i64::from(status == "failed"),
        1 - is_end,
        (1 - is_end) * number,
    ];
    let model_key =
        provider.as_ref().zip(model.as_ref()).map(|(provider, model)| format!("{provider}/{model}"));
    let none = || "none".to_owned();
    let keys = BTreeMap::from([
        ("provider", vec![provider.clone().unwrap_or_else(none)]),
        ("model", vec![model_key.unwrap_or_else(none)]),
        ("strategy", vec![if number % 2 == 0 { "hybrid" } else { "complexity" }.to_owned()]),
        ("day", vec![day]),
        ("tag", tags),
        ("source", vec![source.unwrap_or(status).to_owned()]),
    ]);
    Row { fields, keys, sums }
}

fn add(left: Sums, right: Sums) -> Sums {
    std::array::from_fn(|place| left[place] + right[place])
}

async fn sums(session: &mut Session, value: &str) -> Vec<(String, Sums)> {
    let columns: Vec<String> = SUMS.iter().map(|name| format!("v ->> '{name}'")).collect();
    let sql = format!("select v ->> 'key', {} from {value}", columns.join(", "));
    let rows = session.rows(&sql).await.unwrap();
    let number = |text: &Option<String>| text.as_ref().unwrap().parse().unwrap();
    rows.iter()
        .map(|row| (row[0].clone().unwrap_or_default(), std::array::from_fn(|place| number(&row[place + 1]))))
        .collect()
}

#[tokio::test]
async fn the_sum_of_the_rows_is_every_report() {
    let Some(mut me) = somebody().await else { return };
    let rows: Vec<Row> = (0..120).map(row).collect();
    for row in &rows {
        me.one(&format!("select public.record_request({})", request(Uuid::new_v4(), &row.fields)))
            .await
            .unwrap();
    }
    let whole = rows.iter().fold([0; 14], |sum, row| add(sum, row.sums));
    for group_by in ["provider", "model", "strategy", "day", "tag", "source"] {
        let report = format!("(select public.cost_report(null, null, '{group_by}') as r)");
        let totals = sums(&mut me, &format!("{report}, lateral (select r -> 'totals' as v)")).await;
        assert_eq!(totals, [(String::new(), whole)], "{group_by}");
        let found = sums(&mut me, &format!("{report}, jsonb_array_elements(r -> 'groups') as v")).await;
        let mut expected: BTreeMap<String, Sums> = BTreeMap::new();
        for row in &rows {
            for key in &row.keys[group_by] {
                let sum = expected.entry(key.clone()).or_default();
                *sum = add(*sum, row.sums);
            }
        }
        let mut expected: Vec<(String, Sums)> = expected.into_iter().collect();
        if group_by != "day" {
            expected.sort_by_key(|(_, sums)| std::cmp::Reverse((sums[1], sums[0])));
        }
        assert_eq!(found, expected, "{group_by}");
    }
}

#[tokio::test]
async fn a_report_covers_its_time_and_no_more_and_ends_where_its_numbers_end() {
    let Some(mut me) = somebody().await else { return };
    let empty = me.one("select public.cost_report(null, null, 'tag')").await.unwrap();
    for cost in [i64::MAX, i64::MAX] {
        let fields = format!(r#""cost_pico": {cost}, "saved_pico": {}"#, i64::MIN);
        me.one(&format!("select public.record_request({})", request(Uuid::new_v4(), &fields))).await.unwrap();
    }
    let requests = |from: &str, to: &str| {
        format!("select public.cost_report('{from}', '{to}') #>> '{{totals,requests}}'")
    };
    let (noon, after) = ("2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z");
    assert_eq!(me.one(&requests(noon, after)).await.unwrap(), "2", "the first instant is inside");
    assert_eq!(me.one(&requests("-infinity", noon)).await.unwrap(), "0", "the last is not");
    let sum = me.one("select public.cost_report() #>> '{totals,cost_pico}'").await.unwrap();
    assert_eq!(sum, i64::MAX.to_string());
    let sum = me.one("select public.cost_report() #>> '{totals,saved_pico}'").await.unwrap();
    assert_eq!(sum, i64::MIN.to_string());
    let nothing = me.one(&format!("select public.cost_report('{after}', null, 'tag')")).await.unwrap();
    assert_eq!(nothing, empty, "nothing in a time is as nothing at all");
    assert_eq!(me.refused("select public.cost_report(null, null, 'password')").await, "22023");
}
