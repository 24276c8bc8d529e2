//! Schemas that REST must not show.

use reqwest::Method;
use serde_json::json;

use super::scene::{Ask, play, superuser, users};
use super::tokens::{Intruder, forgers};
use super::victim::Victim;

#[test]
fn no_schema_but_the_public_one_is_reached() {
    play(async |stack| {
        let victim = Victim::new(stack).await;
        let own = users(stack, 1).await.remove(0);
        let mut intruders = forgers(stack, &victim.user, &own);
        intruders.push(Intruder::tenant(stack, &own));
        let sql = "select nspname from pg_namespace where nspname <> 'public' and nspname !~ '^pg_t'";
        let rows = superuser(stack).await.rows(sql).await.unwrap();
        let schemas: Vec<String> = rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
        for schema in ["auth", "extensions", "pg_catalog", "information_schema", "stub_realtime"] {
            assert!(schemas.iter().any(|name| name == schema), "{schema}");
        }
        let mut asks = Vec::new();
        for schema in &schemas {
            for table in
                ["users", "pg_stats", "pg_class", "pg_authid", "pg_stat_activity", "tables", "requests"]
            {
                asks.push(Ask::get(table).with("accept-profile", schema));
                asks.push(Ask::get(format!("{schema}.{table}")));
                asks.push(Ask::get(format!("%22{schema}%22.%22{table}%22")));
                asks.push(Ask::get(format!("{schema}/{table}")));
                asks.push(Ask::get(format!("{table}?select=*&schema={schema}")));
            }
            for function in ["uid", "jwt", "tell", "pg_sleep", "pg_read_file", "set_config", "vector_in"] {
                asks.push(Ask::rpc(function, &json!({})).with("content-profile", schema));
                asks.push(Ask::rpc(&format!("{schema}.{function}"), &json!({})));
                asks.push(Ask::get(format!("rpc/{function}")).with("accept-profile", schema));
            }
            let user = json!({ "id": victim.user.id, "email": "somebody@example.com" });
            asks.push(Ask::new(Method::POST, "users").json(&user).with("content-profile", schema));
        }
        let before = victim.everything(stack).await;
        for intruder in &intruders {
            for ask in &asks {
                let answer = intruder.puts(ask).send(stack).await;
                let told = || format!("{}: {}\n{}", intruder.name, ask.shown(), answer.said());
                assert!((400..500).contains(&answer.status), "{}", told());
                assert_eq!(victim.told(&answer.said(), &intruder.puts(ask).said()), None, "{}", told());
                let code = answer.code();
                assert!(code.is_empty() || code.starts_with("PGRST"), "{}", told());
            }
        }
        for path in [
            "",
            "?select=*",
            "rpc",
            "rpc/",
            "../auth/v1/user",
            "..%2f..%2fauth/v1/user",
            "live",
            "ready",
            "metrics",
        ] {
            for intruder in &intruders {
                let answer = intruder.puts(&Ask::get(path)).send(stack).await;
                assert!(answer.status < 500, "{path}: {}", answer.said());
                assert_eq!(victim.told(&answer.said(), ""), None, "{path}: {}", answer.said());
            }
        }
        assert!(before == victim.everything(stack).await, "the victim's rows are not what they were");
    });
}
