//! Attacks by SQL with arguments that are hostile or absent.

use supabase_stack::session::Session;
use uuid::Uuid;

use super::attacks::{call, everything_of, functions, nulls, victim};
use super::samples::{at_angle, bought, experiment, hash, project, record, request, somebody};

/// Values that somebody might send, by the type of the argument.
fn hostile(name: &str) -> Vec<String> {
    let texts = |values: &[&str]| values.iter().map(|value| format!("'{value}'::{name}")).collect::<Vec<_>>();
    match name {
        "integer" => texts(&["-2147483648", "-1", "0", "2147483647"]),
        "bigint" => texts(&["-9223372036854775808", "0", "9223372036854775807"]),
        "double precision" => texts(&["NaN", "Infinity", "-Infinity", "-1", "0", "1e308"]),
        "timestamp with time zone" => texts(&["infinity", "-infinity", "4713-01-01 BC", "294276-12-31"]),
        "boolean" => texts(&["t", "f"]),
        "uuid" => texts(&["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
        "bytea" => vec!["''::bytea".into(), hash(1), "decode(repeat('ff', 1000000), 'hex')".into()],
        "text" => {
            vec!["''".into(), "'''; drop table public.requests; --'".into(), "repeat('%_\\', 1000000)".into()]
        }
        "extensions.vector" => vec![
            "'[1]'::extensions.vector".into(),
            "array_fill(0, array[384])::extensions.vector".into(),
            "array_fill(1, array[385])::extensions.vector".into(),
            "array_fill(1, array[16000])::extensions.vector".into(),
            "array_fill(3e38, array[384])::extensions.vector".into(),
            format!("'{}'::extensions.vector", at_angle(0.0)),
        ],
        "text[]" => texts(&["{}", "{NULL}", "{{a},{b}}", "{\"\"}"]),
        "jsonb" => vec![
            "'null'".into(),
            "'[]'".into(),
            "'{}'".into(),
            "'\"text\"'".into(),
            "'1e400'".into(),
            "(repeat('[', 5000) || repeat(']', 5000))::jsonb".into(),
            request(Uuid::new_v4(), r#""cost_pico": 1e30"#),
            request(Uuid::new_v4(), r#""input_tokens": -1"#),
            request(Uuid::new_v4(), r#""tags": [null]"#),
            request(Uuid::new_v4(), r#""tags": "a""#),
            request(Uuid::new_v4(), r#""attempts": {}"#),
            request(Uuid::new_v4(), r#""status": "paid""#),
            request(Uuid::new_v4(), r#""similarity": "NaN""#),
            request(Uuid::new_v4(), r#""prompt_sha256": "short""#),
            request(Uuid::new_v4(), ""),
            request(Uuid::new_v4(), r#""exposures": [{"experiment_id": 1, "place": "a", "unit": []}]"#),
            request(Uuid::new_v4(), r#""exposures": [7]"#),
            experiment(Uuid::new_v4(), "route"),
            bought(Uuid::new_v4(), Uuid::new_v4(), 1, r#""embedding": [1, 2, 3]"#),
            bought(Uuid::new_v4(), Uuid::new_v4(), 1, r#""embedding": null"#),
            r#"'{"models": [{"provider": null, "model": 7, "score": "NaN"}]}'"#.into(),
            r#"'{"models": [1, [], null]}'"#.into(),
        ],
        other => panic!("no hostile values for {other}"),
    }
}

/// Arguments that are right, but for those that a test replaces.
fn benign(name: &str) -> String {
    match name {
        "extensions.vector" => format!("'{}'::extensions.vector", at_angle(0.0)),
        "jsonb" => request(Uuid::new_v4(), ""),
        "integer" | "bigint" => "5".into(),
        "double precision" => "0.5".into(),
        "bytea" => hash(1),
        "text" => "'test'".into(),
        other => format!("null::{other}"),
    }
}

/// SQLSTATEs by which a function may turn an argument down: data, constraints, and what is not known.
fn is_clean(code: &str) -> bool {
    code.is_empty() || code == "PT404" || ["22", "23"].iter().any(|class| code.starts_with(class))
}

async fn attack(session: &mut Session, function: &str, arguments: &[String]) {
    let sql = call(function, arguments);
    let code = session.refused(&sql).await;
    let shown: String = sql.chars().take(400).collect();
    assert!(is_clean(&code), "{code}: {shown}");
}

#[tokio::test]
async fn hostile_and_absent_arguments_are_turned_down_by_what_is_wrong_with_them() {
    let Some(project) = project().await else { return };
    let (user, ..) = victim(project).await;
    let before = everything_of(project, user).await;
    let mut me = somebody().await.unwrap();
    record(&mut me, 1).await;
    for (function, types) in functions(project).await {
        attack(&mut me, &function, &nulls(&types)).await;
        for place in 0..types.len() {
            let mut values = hostile(&types[place]);
            values.push(format!("null::{}", types[place]));
            for value in values {
                for others in [nulls(&types), types.iter().map(|name| benign(name)).collect()] {
                    let mut arguments: Vec<String> = others;
                    arguments[place].clone_from(&value);
                    attack(&mut me, &function, &arguments).await;
                }
            }
        }
    }
    assert_eq!(everything_of(project, user).await, before);
    let vector =
        |sql: &str| format!("select id from public.match_cache_entries({sql}, 0.5, 5, {}, 'test')", hash(1));
    for (sql, code) in [
        (vector("null"), "22004"),
        (vector("'[1,2,3]'"), "22000"),
        (vector("array_fill(0, array[384])::extensions.vector"), "22000"),
        (vector("'[NaN]'"), "22P02"),
        ("select public.record_request('[]')".into(), "22023"),
        ("select public.record_request('{}')".into(), "23502"),
        ("select public.record_request('{\"reason\": \"\\u0000\"}')".into(), "22P05"),
    ] {
        let found = me.refused(&sql).await;
        assert!(found == code || (code == "22P02" && found == "22000"), "{sql}: {found}");
    }
}
