//! Realtime.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use supabase_stack::auth::User;
use supabase_stack::stack::Stack;
use uuid::Uuid;

use super::listener::{Joined, Listener, TOPIC};
use super::scene::{Ask, play, request, superuser, token, users};
use super::tokens::{Intruder, Standing, forgers};
use super::victim::{Victim, relations};

const TABLE: &str = "routing_metrics";

/// What Realtime may tell of a request, to its own user.
const TOLD: [&str; 19] = [
    "id",
    "user_id",
    "created_at",
    "status",
    "quality",
    "strategy",
    "complexity_tier",
    "source",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cost_pico",
    "cost_estimated",
    "baseline_cost_pico",
    "saved_pico",
    "latency_ms",
    "provider_latency_ms",
    "similarity",
];

fn wish() -> Value {
    json!({ "event": "*", "schema": "public", "table": TABLE })
}

/// Wishes that would show the victim's rows, were they granted.
fn wishes(victim: &User) -> Vec<Value> {
    let filtered =
        |filter: String| json!({ "event": "*", "schema": "public", "table": TABLE, "filter": filter });
    vec![
        wish(),
        json!({ "event": "INSERT", "schema": "public", "table": TABLE }),
        json!({ "event": "*", "schema": "public" }),
        json!({ "event": "*", "table": TABLE }),
        json!({ "event": "*", "schema": "*", "table": "*" }),
        json!({ "event": "*", "schema": "public", "table": "*" }),
        json!({ "event": "*", "schema": "pub%", "table": "routing_metric_" }),
        filtered(format!("user_id=eq.{}", victim.id)),
        filtered(format!("user_id=in.({})", victim.id)),
        filtered("user_id=neq.00000000-0000-0000-0000-000000000000".to_owned()),
        filtered("cost_pico=gte.0".to_owned()),
        filtered(format!("user_id=eq.{}' or true or '1'='1", victim.id)),
        json!([wish(), filtered(format!("user_id=eq.{}", victim.id))]),
    ]
}

/// Records a request, whose live line is told.
async fn record(stack: &Stack, user: &User, cost_pico: i64) {
    let ask = Ask::rpc("record_request", &json!({ "request": request(Uuid::new_v4(), cost_pico) }));
    let answer = ask.send_as(stack, &token(stack, user)).await;
    assert_eq!(answer.body, "true", "{answer:?}");
}

/// Time for what should not come, where nothing is heard that would come after it.
async fn quiet() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Has a line of some user deleted, of which everybody hears, and hears of it; what was done before was told before.
async fn hear_all(stack: &Stack, listeners: impl IntoIterator<Item = &mut Listener>) {
    let user = users(stack, 1).await.remove(0);
    record(stack, &user, 0).await;
    let sql = format!("select id from public.{TABLE} where user_id = '{}'", user.id);
    let id = superuser(stack).await.one(&sql).await.unwrap();
    delete(stack, &user, &id).await;
    for listener in listeners {
        let last = listener.change(|data| data["old_record"] == json!({ "id": id })).await;
        let heard = listener.changes().len();
        assert!(last.is_some(), "of {id} nothing was heard, but {heard} other changes");
    }
}

async fn delete(stack: &Stack, user: &User, id: &str) {
    let ask = Ask::new(Method::DELETE, format!("{TABLE}?id=eq.{id}"));
    assert_eq!(ask.send_as(stack, &token(stack, user)).await.status, 204);
}

#[test]
fn nobody_hears_of_somebody_elses_rows() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let own = users(stack, 1).await.remove(0);
        let mut control = Listener::subscribed(stack, &token(stack, &victim.user), &wish()).await;
        let mut all = vec![Intruder::tenant(stack, &own)];
        all.extend(forgers(stack, &victim.user, &own));
        all.retain(|intruder| !intruder.is_for_rest);
        let listeners = all.iter().map(async |intruder| {
            let mut listener = Listener::connect(stack).await;
            let mut subscribed = 0;
            for (number, wish) in wishes(&victim.user).iter().enumerate() {
                let topic = format!("realtime:{number}");
                let joined = listener.join(&topic, intruder.token.as_deref(), wish).await;
                let is_refused =
                    matches!(&joined, Joined::Refused(why) if why.to_lowercase().contains("jwt"));
                let is_outside = intruder.standing == Standing::Outside;
                assert_eq!(is_refused, is_outside, "{}: {wish}: {joined:?}", intruder.name);
                subscribed += usize::from(joined == Joined::Subscribed);
            }
            (intruder, subscribed, listener)
        });
        let mut listeners = join_all(listeners).await;

        let cost_pico = 7_654_321_098_765_i64;
        record(stack, &victim.user, cost_pico).await;
        let line = control.change(|data| data["record"]["cost_pico"] == cost_pico).await;
        let line = line.expect("the victim hears of the row");
        record(stack, &own, 4_321).await;
        let subscribers = listeners.iter_mut().filter(|(_, subscribed, _)| *subscribed > 0);
        hear_all(stack, subscribers.map(|(.., listener)| listener)).await;
        for (intruder, subscribed, listener) in &mut listeners {
            listener.catch_up().await;
            let told = || format!("{}: {}", intruder.name, listener.said());
            // What they asked for is told back to them.
            let asked = Value::from(wishes(&victim.user)).to_string();
            assert_eq!(victim.told(&listener.said(), &asked), None, "{}", told());
            for secret in [line["record"]["id"].as_str().unwrap(), &cost_pico.to_string()] {
                assert!(!listener.said().contains(secret), "{}", told());
            }
            let changes = listener.written();
            let is_own = |data: &&&Value| data["record"]["user_id"] == own.id.to_string().as_str();
            let of_own = changes.iter().filter(is_own).count();
            match intruder.standing {
                Standing::Outside => assert_eq!((*subscribed, changes.len()), (0, 0), "{}", told()),
                Standing::Nobody => {
                    assert!(*subscribed > 5, "{subscribed}");
                    assert_eq!(changes.len(), 0, "{}", told());
                }
                Standing::Tenant => {
                    assert!(*subscribed > 10, "{subscribed}");
                    assert!(of_own > 5 && of_own == changes.len(), "{}", told());
                }
                // The project signs no such token. A policy that fails over it is told of, without the row.
                Standing::Nameless => {
                    assert!(changes.iter().all(|data| data["record"] == json!({})), "{}", told());
                }
            }
        }
    });
}

#[test]
fn a_live_line_has_numbers_and_no_text_of_anybodys() {
    play(async |stack| {
        let user = users(stack, 1).await.remove(0);
        let mut listener = Listener::subscribed(stack, &token(stack, &user), &wish()).await;
        let mut request = request(Uuid::new_v4(), 77);
        for field in ["session", "reason", "error", "confidence", "finish_reason"] {
            request[field] = json!(format!("hidden {field}"));
        }
        request["tags"] = json!(["hidden tag"]);
        request["attempts"] = json!([{ "provider": "hidden attempt" }]);
        let ask = Ask::rpc("record_request", &json!({ "request": request }));
        assert_eq!(ask.send_as(stack, &token(stack, &user)).await.body, "true");
        let line = listener.change(|data| data["record"]["cost_pico"] == 77).await.expect("it is told");
        let names: Vec<&str> = line["record"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(names.iter().all(|name| TOLD.contains(name)) && names.len() == TOLD.len(), "{names:?}");
        assert_eq!(line["columns"].as_array().unwrap().len(), TOLD.len(), "{line}");
        let hash = request["prompt_sha256"].as_str().unwrap().trim_start_matches("\\x");
        for secret in ["hidden", hash, request["id"].as_str().unwrap()] {
            assert!(!listener.said().contains(secret), "{secret}: {line}");
        }
    });
}

#[test]
fn of_a_deleted_row_everybody_hears_a_key_that_is_nowhere_else() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let own = users(stack, 1).await.remove(0);
        let tokens = [Some(token(stack, &own)), None];
        let mut listeners = Vec::new();
        for token in &tokens {
            let mut listener = Listener::connect(stack).await;
            assert_eq!(listener.join(TOPIC, token.as_deref(), &wish()).await, Joined::Subscribed);
            let mut filtered = wish();
            filtered["filter"] = json!(format!("user_id=eq.{}", victim.user.id));
            let joined = listener.join("realtime:filtered", token.as_deref(), &filtered).await;
            assert_eq!(joined == Joined::Subscribed, token.is_some(), "{joined:?}");
            listeners.push(listener);
        }
        let mut superuser = superuser(stack).await;
        let sql = format!("select min(id::text) from public.{TABLE} where user_id = '{}'", victim.user.id);
        let id = superuser.one(&sql).await.unwrap();
        for relation in relations(stack).await.into_iter().filter(|relation| relation != TABLE) {
            let sql = format!("select count(*) from public.{relation} t where t::text like '%{id}%'");
            assert_eq!(superuser.one(&sql).await.unwrap(), "0", "{relation}");
        }
        delete(stack, &victim.user, &id).await;
        // A user who goes takes many rows along.
        superuser.one(&format!("delete from auth.users where id = '{}'", victim.user.id)).await.unwrap();
        hear_all(stack, &mut listeners).await;
        for listener in &listeners {
            let gone = |data: &&&Value| data["old_record"] == json!({ "id": id });
            assert_eq!(listener.changes().iter().filter(gone).count(), 1, "{id}");
            for data in listener.changes().into_iter().filter(|data| data["type"] == "DELETE") {
                let mut data = data.clone();
                let key = data.as_object_mut().unwrap().remove("old_record").unwrap();
                assert!(
                    key.as_object().unwrap().keys().eq(["id"]) && data.get("record").is_none(),
                    "{key} {data}"
                );
                assert_eq!(victim.told(&data.to_string(), ""), None, "{data}");
            }
            let filtered = listener.heard.iter().filter(|heard| heard["topic"] == "realtime:filtered");
            assert!(
                filtered.clone().all(|heard| heard["event"] != "postgres_changes"),
                "{}",
                listener.said()
            );
        }
    });
}

#[test]
fn no_table_is_heard_of_but_the_one_of_live_lines() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let own = users(stack, 1).await.remove(0);
        let mut listener = Listener::connect(stack).await;
        let mut wishes: Vec<Value> = relations(stack)
            .await
            .into_iter()
            .filter(|relation| relation != TABLE)
            .map(|relation| json!({ "event": "*", "schema": "public", "table": relation }))
            .collect();
        for (schema, table) in [
            ("auth", "users"),
            ("auth", "*"),
            ("pg_catalog", "pg_class"),
            ("stub_realtime", "*"),
            ("extensions", "*"),
        ] {
            wishes.push(json!({ "event": "*", "schema": schema, "table": table }));
        }
        // One that is granted is not, beside one that is none.
        wishes.push(json!([wish(), { "event": "*", "schema": "public", "table": "requests" }]));
        wishes.push(json!({ "event": "*", "schema": "public' or true --", "table": "requests" }));
        wishes.push(json!({ "event": "*", "schema": ["public"], "table": { "a": 1 } }));
        let ours = token(stack, &own);
        for (number, wish) in wishes.iter().enumerate() {
            let joined = listener.join(&format!("realtime:{number}"), Some(&ours), wish).await;
            assert!(matches!(joined, Joined::Unsubscribed(_)), "{wish}: {joined:?}");
        }
        let private = listener.join("realtime:private", Some(&ours), &wish()).await;
        assert!(matches!(private, Joined::Refused(_)), "{private:?}");
        for user in [&victim.user, &own] {
            record(stack, user, 5).await;
        }
        quiet().await;
        listener.catch_up().await;
        assert_eq!(listener.written(), Vec::<&Value>::new());
    });
}

#[test]
fn a_channel_ends_with_its_token() {
    play(async |stack| {
        let user = users(stack, 1).await.remove(0);
        let short = stack.auth.access_token(&user, Uuid::new_v4(), 3);
        let mut listener = Listener::subscribed(stack, &short, &wish()).await;
        record(stack, &user, 1).await;
        assert!(listener.change(|data| data["record"]["cost_pico"] == 1).await.is_some());
        let told = listener.wait(|heard| heard["event"] == "system").await.expect("it is told");
        assert!(told["payload"]["message"].as_str().unwrap().contains("expired"), "{told}");
        assert!(listener.wait(|heard| heard["event"] == "phx_close").await.is_some(), "it is closed");
        record(stack, &user, 2).await;
        quiet().await;
        listener.catch_up().await;
        assert_eq!(listener.written().len(), 1, "{}", listener.said());
        let again = listener.join(TOPIC, Some(&short), &wish()).await;
        assert!(matches!(&again, Joined::Refused(why) if why.contains("expired")), "{again:?}");
        let endless = stack.auth.keys.sign(&json!({ "sub": user.id, "role": "authenticated" }));
        let endless = listener.join(TOPIC, Some(&endless), &wish()).await;
        assert!(matches!(endless, Joined::Refused(_)), "{endless:?}");
    });
}

#[test]
fn another_token_shows_the_rows_of_its_own_user_and_no_longer_those_of_the_first() {
    play(async |stack| {
        let pair = users(stack, 2).await;
        let [one, other] = [0, 1].map(|place| token(stack, &pair[place]));
        let mut listener = Listener::subscribed(stack, &one, &wish()).await;
        let switch = async |listener: &mut Listener, token: &str| {
            listener.send(TOPIC, "access_token", &json!({ "access_token": token })).await;
            let told = listener.wait(|heard| heard["event"] == "system").await.unwrap();
            told["payload"]["status"].clone()
        };
        for (token, user, cost_pico) in [(&other, &pair[1], 11), (&one, &pair[0], 12)] {
            assert_eq!(switch(&mut listener, token).await, "ok");
            for of in &pair {
                record(stack, of, cost_pico).await;
            }
            hear_all(stack, [&mut listener]).await;
            let heard: Vec<&Value> = listener
                .changes()
                .into_iter()
                .filter(|data| data["record"]["cost_pico"] == cost_pico)
                .map(|data| &data["record"]["user_id"])
                .collect();
            assert_eq!(heard, [&json!(user.id)]);
        }
        // Neither a key, nor nothing, is another token; a forged one ends the channel.
        for token in [json!(stack.key), Value::Null] {
            listener.send(TOPIC, "access_token", &json!({ "access_token": token })).await;
        }
        record(stack, &pair[0], 13).await;
        assert!(listener.change(|data| data["record"]["cost_pico"] == 13).await.is_some());
        let forged = format!("{}AAAA", &other[..other.len() - 4]);
        assert_eq!(switch(&mut listener, &forged).await, "error");
        for of in &pair {
            record(stack, of, 14).await;
        }
        quiet().await;
        listener.catch_up().await;
        assert!(
            listener.changes().iter().all(|data| data["record"]["cost_pico"] != 14),
            "{}",
            listener.said()
        );
    });
}
