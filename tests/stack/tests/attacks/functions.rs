//! Functions by REST.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Map, Value, json};
use supabase_stack::stack::Stack;
use uuid::Uuid;

use super::scene::{Answer, Ask, bought, experiment, hash, play, request, superuser, users, vector};
use super::tokens::{Intruder, Standing, forgers};
use super::victim::Victim;

/// More than any argument needs.
const HUGE: usize = 1_000_000;

struct Function {
    name: String,
    /// Names and types.
    arguments: Vec<(String, String)>,
}

async fn catalogue(stack: &Stack) -> Vec<Function> {
    let sql = "select p.proname, coalesce((
            select jsonb_agg(jsonb_build_array(p.proargnames[a.place], a.type::regtype::text) order by a.place)
            from unnest(p.proargtypes) with ordinality as a (type, place)), '[]')
        from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
        order by p.proname";
    let rows = superuser(stack).await.rows(sql).await.unwrap();
    rows.into_iter()
        .map(|row| Function {
            name: row[0].clone().unwrap(),
            arguments: serde_json::from_str(row[1].as_ref().unwrap()).unwrap(),
        })
        .collect()
}

/// Arguments that are right.
fn benign(function: &Function) -> Map<String, Value> {
    let value = |name: &str, kind: &str| match (name, kind) {
        ("request", _) => request(Uuid::new_v4(), 500),
        ("experiment", _) => experiment(Uuid::new_v4()),
        ("metric", _) => json!("success"),
        ("unit", _) => json!("request"),
        ("change", _) => json!("archive"),
        ("period", _) => json!("day"),
        ("on_breach", _) => json!("warn"),
        ("set_by", _) => json!("cli"),
        ("given", _) => json!([]),
        ("ask", _) => json!({ "owner": "me", "lease_seconds": 60 }),
        ("as_of", "timestamp with time zone") => json!("2026-11-23T12:00:00Z"),
        ("before" | "since", "timestamp with time zone") => json!("2026-11-23T12:00:00Z"),
        (_, "uuid") => json!(Uuid::new_v4()),
        (_, "bytea") => json!(hash()),
        (_, "extensions.vector") => vector(&[1.0], 384),
        (_, "integer" | "bigint") => json!(5),
        (_, "double precision") => json!(0.5),
        ("embedder_fingerprint" | "cell" | "provider" | "model" | "forecast", _) => json!("test"),
        _ => Value::Null,
    };
    function.arguments.iter().map(|(name, kind)| (name.clone(), value(name, kind))).collect()
}

/// Arguments that name what is the victim's.
fn foreign(function: &Function, victim: &Victim) -> Map<String, Value> {
    let row = |relation: &str| &victim.rows.iter().find(|(name, _)| name == relation).unwrap().1;
    let mut cached = bought(victim.entry_id, victim.request_id, &victim.scope_hash);
    cached["embedder_fingerprint"] = row("response_cache")["embedder_fingerprint"].clone();
    let mut served = request(Uuid::nil(), 500);
    served["user_id"] = json!(victim.user.id);
    served["cache_entry_id"] = json!(victim.entry_id);
    served["prompt_sha256"] = row("response_cache")["prompt_sha256"].clone();
    cached["prompt_sha256"] = row("response_cache")["prompt_sha256"].clone();
    cached["user_id"] = json!(victim.user.id);
    served["exposures"] = json!([{ "experiment_id": victim.experiment_id, "place": 0, "unit": "theirs" }]);
    let mut kept = row("experiments").clone();
    kept["status"] = json!("active");
    let mut arguments = benign(function);
    for (name, value) in [
        ("request_id", json!(victim.request_id)),
        ("entry_id", json!(victim.entry_id)),
        ("scope_hash", json!(victim.scope_hash)),
        ("prompt_sha256", row("response_cache")["prompt_sha256"].clone()),
        ("normal_sha256", row("response_cache")["normal_sha256"].clone()),
        ("query_sha256", row("negative_pairs")["prompt_sha256"].clone()),
        ("cell", row("calibration")["cell"].clone()),
        ("epoch", json!(0)),
        ("session", row("requests")["session"].clone()),
        ("state", row("routing_state")["state"].clone()),
        ("revision", json!(1)),
        ("learned_from", json!(victim.request_id)),
        ("forecast", json!("theirs")),
        ("provider", row("model_performance_history")["provider"].clone()),
        ("model", row("model_performance_history")["model"].clone()),
        ("day", row("model_performance_history")["day"].clone()),
        ("from_day", json!(0)),
        ("most", json!(0)),
        ("query_embedding", victim.embedding.clone()),
        ("embedder_fingerprint", row("response_cache")["embedder_fingerprint"].clone()),
        ("match_threshold", json!(-2)),
        ("min_similarity", json!(-2)),
        ("match_count", json!(200)),
        ("request", served),
        ("experiment_id", json!(victim.experiment_id)),
        ("experiment", kept),
        ("name", row("experiments")["name"].clone()),
        ("ended_by", row("experiments")["ended_by"].clone()),
        ("adopted", row("experiments")["adopted"].clone()),
        ("after", json!(Uuid::nil())),
        ("tag", row("budgets")["tag"].clone()),
        ("limit_pico", row("budgets")["limit_pico"].clone()),
        ("given", json!([row("budgets")])),
        ("but_for", row("budget_reservations")["request_id"].clone()),
        ("ask", json!({ "owner": row("budget_reservations")["owner"], "limits": [row("budgets")] })),
        ("tags", row("requests")["tags"].clone()),
        ("quality", row("requests")["quality"].clone()),
        ("tier", row("requests")["complexity_tier"].clone()),
        ("bought", cached),
        ("asked", json!({ "models": [row("routing_feedback")] })),
        ("outcome", row("routing_feedback").clone()),
        ("everything", json!(true)),
        ("group_by", json!("model")),
    ] {
        if arguments.contains_key(name) {
            arguments.insert(name.to_owned(), value);
        }
    }
    arguments
}

/// A text that fits no index.
fn long() -> String {
    (0..100).map(|_| hash()).collect()
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

/// Values that somebody might send, whatever the type.
fn hostile(victim: &Victim) -> Vec<Value> {
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut values = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5e300),
        json!(""),
        json!("NaN"),
        json!("-Infinity"),
        json!("infinity"),
        json!("'; drop table public.requests; --"),
        json!("1) or true --"),
        json!("\u{0}"),
        json!("a\u{0}b\u{fffe}"),
        json!("{\"a\": 1}"),
        json!("{NaN}"),
        json!("\\xzz"),
        json!([]),
        json!([null, "a", {}]),
        json!([["a"], 1]),
        json!({}),
        json!({ "id": null, "user_id": victim.user.id, "models": [1, null, {}] }),
        nested,
        json!(victim.user.id),
        json!(victim.request_id),
        json!(victim.scope_hash),
        victim.embedding.clone(),
        vector(&[1.0], 3),
        vector(&[0.0], 384),
        vector(&[1.0], 385),
        vector(&[3e38, 3e38], 384),
        json!(format!("[NaN{}]", ",0".repeat(383))),
    ];
    for (field, value) in [
        ("cost_pico", json!(1e30)),
        ("input_tokens", json!(-1)),
        ("input_tokens", json!(u64::MAX)),
        ("tags", json!([null])),
        ("tags", json!("a")),
        ("attempts", json!({})),
        ("status", json!("paid")),
        ("similarity", json!("NaN")),
        ("prompt_sha256", json!("short")),
        ("created_at", json!("yesterday")),
        ("reason", json!("\u{0}")),
        ("id", json!("nobody")),
        ("embedding", vector(&[1.0], 3)),
        ("provider", json!(long())),
        ("embedder_fingerprint", json!(long())),
    ] {
        let bought = bought(Uuid::new_v4(), victim.request_id, &victim.scope_hash);
        values.extend([request(Uuid::new_v4(), 1), bought].map(|object| with(object, field, value.clone())));
    }
    for (field, value) in [
        ("exposures", json!({})),
        ("exposures", json!([1])),
        ("exposures", json!([{ "experiment_id": "nobody", "place": -1, "unit": "" }])),
        ("exposures", json!([{ "experiment_id": victim.experiment_id, "place": 1e30, "unit": "" }])),
        ("knobs", json!([null])),
        ("knobs", json!("a")),
        ("definition", json!([])),
        ("status", json!("begun")),
        ("name", json!(long())),
        ("idempotency_key", json!(long())),
        ("created_at", json!("yesterday")),
        ("id", json!(victim.experiment_id)),
    ] {
        let both = [request(Uuid::new_v4(), 1), experiment(Uuid::new_v4())];
        values.extend(both.map(|object| with(object, field, value.clone())));
    }
    for (provider, model) in [(long(), "m".to_owned()), ("p".to_owned(), long())] {
        values.push(json!({ "models": [{ "provider": provider, "model": model }] }));
    }
    values.push(json!({ "models": [{ "provider": "p", "model": "m", "score": 7 }] }));
    let fingerprint = json!({ "embedder_fingerprint": long(), "embedding": vector(&[1.0], 384) });
    let models = json!([{ "provider": "p", "model": "m", "score": 1 }]);
    values.push(with(fingerprint, "models", models));
    values
}

/// Whether a call was done, or turned down by what is wrong with it: no such function, or no such argument.
fn is_clean(answer: &Answer) -> bool {
    let code = answer.code();
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    answer.status < 300
        || (answer.status < 500
            && (is_of(&["22", "23", "PGRST1", "PGRST2"])
                || ["PT404", "42501", "42883"].contains(&code.as_str())))
}

fn judge(victim: &Victim, ask: &Ask, answer: &Answer) {
    let told = || format!("{}\n{}", ask.shown(), answer.said().chars().take(2_000).collect::<String>());
    // A function that writes cannot be read from.
    let is_reading = ask.method == Method::GET && answer.code() == "25006";
    assert!(is_clean(answer) || (is_reading && answer.status == 405), "{}", told());
    assert_eq!(victim.told(&answer.said(), &ask.said()), None, "{}", told());
}

/// A call whose arguments are in the query.
fn in_query(function: &Function, arguments: &Map<String, Value>) -> Ask {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    // A key or token longer than this fits no request line.
    let query =
        arguments.iter().map(|(name, value)| (name, text(value))).filter(|(_, text)| text.len() < 10_000);
    let query: Vec<String> = query.map(|(name, text)| format!("{name}={}", encoded(&text))).collect();
    Ask::get(format!("rpc/{}?{}", function.name, query.join("&")))
}

/// Every hostile value in every place, alone and among arguments that are right.
fn attacks(function: &Function, victim: &Victim) -> Vec<Ask> {
    let Function { name, arguments } = function;
    let mut asks = vec![
        Ask::new(Method::POST, format!("rpc/{name}")),
        Ask::rpc(name, &json!(null)),
        Ask::rpc(name, &json!([])),
        Ask::rpc(name, &json!("text")),
        Ask::rpc(name, &json!({})),
        Ask::new(Method::POST, format!("rpc/{name}")).text("{\"a\":".to_owned()),
        Ask::new(Method::POST, format!("rpc/{name}")).text(format!(
            "{}{}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        )),
        Ask::new(Method::POST, format!("rpc/{name}")).json(&json!({})).with("prefer", "params=single-object"),
        Ask::get(format!("rpc/{name}")),
        Ask::get(format!("rpc/{name}?select=*&limit=1")).with("prefer", "count=planned"),
    ];
    for unknown in ["user_id", "p_user_id", "role", "request.jwt.claims", "sub"] {
        let mut arguments = benign(function);
        arguments.insert(unknown.to_owned(), json!(victim.user.id));
        asks.push(in_query(function, &arguments));
        asks.push(Ask::rpc(name, &Value::Object(arguments)));
    }
    let usual = benign(function);
    for (argument, kind) in arguments {
        for value in hostile(victim) {
            let mut among = usual.clone();
            if among.contains_key("request") {
                among.insert("request".to_owned(), request(Uuid::new_v4(), 500));
            }
            among.insert(argument.clone(), value.clone());
            asks.push(in_query(function, &among));
            asks.push(Ask::rpc(name, &Value::Object(among)));
            asks.push(Ask::rpc(name, &json!({ argument: value })));
        }
        let huge = json!("%_\\x00 ".repeat(HUGE / 8));
        let huge = if kind == "jsonb" { json!({ "reason": huge, "response_text": huge }) } else { huge };
        let mut among = usual.clone();
        among.insert(argument.clone(), huge);
        asks.push(Ask::rpc(name, &Value::Object(among)));
    }
    asks
}

#[test]
fn hostile_arguments_are_turned_down_by_what_is_wrong_with_them() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let before = victim.everything(stack).await;
        let functions = catalogue(stack).await;
        assert!(functions.len() > 10);
        join_all(functions.iter().map(|function| async {
            let intruder = Intruder::tenant(stack, &users(stack, 1).await[0]);
            let mut refused = 0;
            for ask in attacks(function, &victim) {
                let answer = intruder.puts(&ask).send(stack).await;
                judge(&victim, &ask, &answer);
                refused += usize::from(answer.status >= 400);
            }
            assert!(refused > 5, "{}: {refused}", function.name);
        }))
        .await;
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}

#[test]
fn a_function_says_the_same_of_what_is_somebodys_and_of_what_is_nobodys() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let before = victim.everything(stack).await;
        for function in catalogue(stack).await {
            let all = foreign(&function, &victim);
            // Each foreign argument by itself, and all of them.
            let mut asks = vec![Ask::rpc(&function.name, &json!(all)), in_query(&function, &all)];
            for (name, value) in &all {
                let mut arguments = benign(&function);
                arguments.insert(name.clone(), value.clone());
                asks.push(Ask::rpc(&function.name, &json!(arguments)));
                asks.push(Ask::rpc(&function.name, &json!({ name: value })));
            }
            let pair = users(stack, 2).await;
            for ask in asks {
                let disguised = victim.disguised(&ask);
                let mut said = Vec::new();
                for (ask, user) in [&ask, &disguised].into_iter().zip(&pair) {
                    let answer = Intruder::tenant(stack, user).puts(ask).send(stack).await;
                    judge(&victim, ask, &answer);
                    said.push(victim.anonymous(&answer));
                }
                assert_eq!(said[0], said[1], "{}", ask.shown());
            }
        }
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}

#[test]
fn whoever_forges_a_token_calls_no_function() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let own = users(stack, 1).await.remove(0);
        let before = victim.everything(stack).await;
        let functions = catalogue(stack).await;
        join_all(forgers(stack, &victim.user, &own).iter().map(|intruder| async {
            for function in &functions {
                let arguments = foreign(function, &victim);
                for ask in [Ask::rpc(&function.name, &json!(arguments)), in_query(function, &arguments)] {
                    let answer = intruder.puts(&ask).send(stack).await;
                    let (code, said) = (answer.code(), intruder.puts(&ask).said());
                    let told = || format!("{}: {}\n{}", intruder.name, ask.shown(), answer.said());
                    assert_eq!(victim.told(&answer.said(), &said), None, "{}", told());
                    assert!(answer.status < 500, "{}", told());
                    match intruder.standing {
                        Standing::Outside => assert_eq!(answer.status, 401, "{}", told()),
                        Standing::Nobody => assert!(
                            // An argument may be read before anybody is asked who may call.
                            code == "42501"
                                || ["22", "PGRST1", "PGRST2"].iter().any(|class| code.starts_with(class)),
                            "{}",
                            told()
                        ),
                        Standing::Tenant | Standing::Nameless => {}
                    }
                }
            }
        }))
        .await;
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}
