//! Many users at once.

use futures::future::join_all;
use serde_json::{Value, json};
use supabase_stack::stack::Stack;
use uuid::Uuid;

use super::scene::{Ask, bought, hash, play, request, superuser, token, users, vector};

const USERS: usize = 50;
const CALLS: usize = 20;

/// Records a request that bought an answer, and looks for it and its neighbours; gives the ids that were found.
async fn call(stack: &Stack, token: &str, scope_hash: &str, request: &Value) -> Vec<String> {
    let id: Uuid = request["id"].as_str().unwrap().parse().unwrap();
    let asked = json!({ "models": [{ "provider": "anthropic", "model": "m" }] });
    let arguments = json!({ "request": request, "bought": bought(id, id, scope_hash), "asked": asked });
    let recorded = Ask::rpc("record_request", &arguments).send_as(stack, token).await;
    assert_eq!((recorded.status, recorded.body.as_str()), (200, "true"), "{recorded:?}");
    let arguments = json!({
        "query_embedding": vector(&[0.5, 0.25], 384), "match_threshold": 0.9, "match_count": 200,
        "scope_hash": scope_hash, "embedder_fingerprint": "test",
    });
    let found = Ask::rpc("match_cache_entries", &arguments).send_as(stack, token).await;
    assert_eq!(found.status, 200, "{found:?}");
    let found: Vec<String> =
        found.json().as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert!(found.contains(&id.to_string()), "its own answer is there");
    found
}

#[test]
fn many_users_at_once_lose_no_record_and_meet_none_of_anothers() {
    play(async |stack| {
        // Same scope, same vectors, same models: only who they are tells them apart.
        let scope_hash = hash();
        let crowd = users(stack, USERS).await;
        join_all(crowd.iter().enumerate().map(async |(number, user)| {
            let token = token(stack, user);
            let cost = |call: usize| i64::try_from(1_000 * (number + 1) + call).unwrap();
            let requests: Vec<Value> = (0..CALLS).map(|call| request(Uuid::new_v4(), cost(call))).collect();
            let ids: Vec<&str> = requests.iter().map(|request| request["id"].as_str().unwrap()).collect();
            let found =
                join_all(requests.iter().map(|request| call(stack, &token, &scope_hash, request))).await;
            assert!(found.concat().iter().all(|id| ids.contains(&id.as_str())), "an answer of another user");
            let report =
                Ask::rpc("cost_report", &json!({ "group_by": "model" })).send_as(stack, &token).await.json();
            let sum: i64 = (0..CALLS).map(cost).sum();
            for sums in [&report["totals"], &report["groups"][0]] {
                assert_eq!((&sums["requests"], &sums["cost_pico"]), (&json!(CALLS), &json!(sum)), "{report}");
            }
            let stats = Ask::rpc("get_user_cache_stats", &json!({})).send_as(stack, &token).await.json();
            assert_eq!(stats[0]["entries"], json!(CALLS), "{stats}");
        }))
        .await;
        let list: Vec<String> = crowd.iter().map(|user| format!("'{}'", user.id)).collect();
        let mut superuser = superuser(stack).await;
        for table in ["requests", "response_cache", "routing_feedback", "routing_metrics"] {
            let sql = format!(
                "select concat(count(*), ' of ', count(distinct user_id)) from public.{table} where user_id in ({})",
                list.join(", ")
            );
            assert_eq!(
                superuser.one(&sql).await.unwrap(),
                format!("{} of {USERS}", USERS * CALLS),
                "{table}"
            );
        }
    });
}
