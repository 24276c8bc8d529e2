//! Attacks by SQL: as nobody, as another tenant, and with claims that are forged.
//!
//! Tables and functions are read from the catalogue, so one that is added is attacked as well.

use supabase_stack::project::Project;
use uuid::Uuid;

use super::samples::{at_angle, bought, exposed, hash, learn, project, record, request, serve, somebody};

async fn relations(project: &Project) -> Vec<String> {
    let mut superuser = project.session("postgres").await.unwrap();
    let sql =
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')";
    superuser.rows(sql).await.unwrap().into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

/// Every function with the types of its arguments.
pub(super) async fn functions(project: &Project) -> Vec<(String, Vec<String>)> {
    let mut superuser = project.session("postgres").await.unwrap();
    let sql = "select proname, array_to_string(array(select t::regtype::text
        from unnest(proargtypes) with ordinality as a (t, n) order by n), ';')
        from pg_proc where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype";
    let rows = superuser.rows(sql).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let types = row[1].clone().unwrap();
            let types = types.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (row[0].clone().unwrap(), types)
        })
        .collect()
}

pub(super) fn call(function: &str, arguments: &[String]) -> String {
    format!("select * from public.{function}({})", arguments.join(", "))
}

/// Calls with null in each place.
pub(super) fn nulls(types: &[String]) -> Vec<String> {
    types.iter().map(|name| format!("null::{name}")).collect()
}

/// Rows of a victim in every table.
pub(super) async fn victim(project: &Project) -> (Uuid, Uuid, Uuid) {
    let user = project.user().await.unwrap();
    let mut session = project.signed_in(user).await.unwrap();
    let (request_id, entry_id) = record(&mut session, 1).await;
    learn(&mut session, entry_id).await;
    let rate = format!(
        r#"select public.rate_response('{request_id}', 1, 'good', 'secret',
        '{{"provider": "anthropic", "model": "m", "score": 1, "source": "rating"}}')"#
    );
    session.one(&rate).await.unwrap();
    (user, request_id, entry_id)
}

/// The experiment of somebody who has one.
async fn experiment_of(project: &Project, user: Uuid) -> Uuid {
    let mut superuser = project.session("postgres").await.unwrap();
    let sql = format!("select id from public.experiments where user_id = '{user}'");
    superuser.one(&sql).await.unwrap().parse().unwrap()
}

/// All that a victim has, as one text.
pub(super) async fn everything_of(project: &Project, user: Uuid) -> String {
    let mut superuser = project.session("postgres").await.unwrap();
    let mut all = String::new();
    for relation in relations(project).await {
        let sql = format!(
            "select string_agg(t::text, ';' order by t::text) from public.{relation} t where user_id = '{user}'"
        );
        all += &superuser.one(&sql).await.unwrap();
        all += "\n";
    }
    all
}

#[tokio::test]
async fn nobody_reaches_no_table_and_no_function() {
    let Some(project) = project().await else { return };
    let mut nobody = project.session("authenticator").await.unwrap();
    let (user, ..) = victim(project).await;
    for claims in
        ["", "{}", "{\"role\":\"authenticated\"}", &format!("{{\"sub\":\"{user}\",\"role\":\"anon\"}}")]
    {
        nobody.become_claims("anon", claims).await.unwrap();
        for relation in relations(project).await {
            for sql in [
                format!("select * from public.{relation}"),
                format!("select count(*) from public.{relation}"),
                format!("delete from public.{relation}"),
                format!("update public.{relation} set user_id = null"),
                format!("insert into public.{relation} default values"),
                format!("truncate public.{relation}"),
                format!("explain select * from public.{relation}"),
            ] {
                // Realtime wants the key to be readable to those whom no policy shows a row.
                let is_live = relation == "routing_metrics" && sql.starts_with("select count");
                let expected = if is_live { "" } else { "42501" };
                let code = nobody.refused(&sql).await;
                assert!(
                    code == expected || (relation == "value_metrics" && !code.is_empty()),
                    "{sql}: {code}"
                );
            }
        }
        assert_eq!(nobody.one("select count(*) from public.routing_metrics").await.unwrap(), "0");
        for (function, types) in functions(project).await {
            assert_eq!(nobody.refused(&call(&function, &nulls(&types))).await, "42501", "{function}");
        }
    }
}

#[tokio::test]
async fn the_planner_estimates_nothing_for_a_user() {
    let Some(project) = project().await else { return };
    victim(project).await;
    let mut other = somebody().await.unwrap();
    for relation in relations(project).await {
        let select = format!("select user_id from public.{relation}");
        for explain in
            ["explain", " Explain (format json)", "/* a; */ -- b\n\texplain (analyze)", "explain verbose"]
        {
            assert_eq!(other.refused(&format!("{explain} {select}")).await, "42501", "{explain} {select}");
        }
        let prepared = format!("prepare {relation} as {select}");
        assert_eq!(other.refused(&prepared).await, "");
        assert_eq!(other.refused(&format!("explain execute {relation}")).await, "42501");
        assert_eq!(other.refused(&format!("select 'explain' from ({select}) s")).await, "");
    }
}

#[tokio::test]
async fn another_tenant_sees_counts_and_changes_nothing() {
    let Some(project) = project().await else { return };
    let (user, request_id, entry_id) = victim(project).await;
    let before = everything_of(project, user).await;
    assert!(!before.contains("\n\n"), "the victim has rows everywhere: {before}");
    let mut other = somebody().await.unwrap();
    for relation in relations(project).await {
        let count = format!("select count(*) from public.{relation}");
        assert_eq!(other.one(&count).await.unwrap(), "0", "{relation}");
        if relation == "value_metrics" {
            continue;
        }
        let update = format!("update public.{relation} set user_id = user_id");
        // Nobody changes a live line.
        let expected = if relation == "routing_metrics" { "42501" } else { "" };
        assert_eq!(other.refused(&update).await, expected, "{update}");
        for sql in [
            format!("with gone as (delete from public.{relation} returning 1) select count(*) from gone"),
            format!("select count(*) from public.{relation} where user_id = '{user}'"),
        ] {
            assert_eq!(other.one(&sql).await.unwrap(), "0", "{sql}");
        }
        assert_eq!(other.refused(&format!("truncate public.{relation}")).await, "42501");
    }
    let near = at_angle(0.01);
    for (sql, expected) in [
        (format!("select public.find_request('{request_id}')"), ""),
        (format!("select id from public.find_cache_entry({0}, {0}, now(), {0})", hash(1)), ""),
        (format!("select public.cache_evidence({}, 'test') ->> 'tenant'", hash(1)), "[]"),
        (format!("select public.end_cache_epoch({}, 'test', 0)", hash(1)), ""),
        ("select public.evict_cache_entries(0)".to_owned(), "0"),
        ("select public.routing_state_of('test', null) ->> 'revision'".to_owned(), "0"),
        ("select public.note_model_performance('anthropic', 'm', 20780)".to_owned(), ""),
        ("select public.model_performance(0)".to_owned(), "[]"),
        (format!("select public.keep_forecast('{request_id}', 'f')"), ""),
        ("select public.list_experiments()".to_owned(), "[]"),
        ("select public.list_requests()".to_owned(), "[]"),
        ("select public.latest_requests(10)".to_owned(), "[]"),
        ("select public.saving_range() ->> 'above_pico'".to_owned(), "0"),
        ("select public.daily_spend('-infinity', 'infinity')".to_owned(), "[]"),
        ("select public.forget_requests('infinity', 1000)".to_owned(), "0"),
        ("select public.forget_everything()".to_owned(), ""),
        (format!("select public.settle_budget('{request_id}')"), "f"),
        ("select public.remove_budget('day', 'theirs')".to_owned(), "f"),
        ("select public.budget_standings('[]', '2026-11-23T12:00:00Z')".to_owned(), "[]"),
        (
            r#"select public.budget_standings('[{"period": "day", "limit_pico": 1, "on_breach": "warn"}]',
            '2026-11-23T12:00:00Z') #>> '{0,spent_pico}'"#
                .to_owned(),
            "0",
        ),
        ("select public.past_outcomes('request', '-infinity', 100) ->> 'requests'".to_owned(), "0"),
        (format!(r"select public.save_routing_state('test', '\x00', 1, '{request_id}')"), "t"),
        (format!("select id from public.match_cache_entries('{near}', -2, 200, {}, 'test')", hash(1)), ""),
        (format!("select model from public.nearest_outcomes('{near}', 'test', 200)"), ""),
        ("select public.has_outcomes()".to_owned(), "f"),
        ("select public.cost_report() #>> '{totals,requests}'".to_owned(), "0"),
        ("select concat(entries, expired_entries, retired_entries, hits) from public.get_user_cache_stats()".to_owned(),
            "0000"),
        (format!("select public.retire_cache_entry('{entry_id}', 1, 1)"), "f"),
        (format!("select public.forget_cache(request_id => '{request_id}')"), "0"),
        (format!("select public.forget_cache(query_embedding => '{near}', embedder_fingerprint => 'test', min_similarity => -2)"),
            "0"),
        ("select public.forget_cache(older_than => 'infinity')".to_owned(), "0"),
        ("select public.forget_cache(everything => true)".to_owned(), "0"),
    ] {
        assert_eq!(other.one(&sql).await.unwrap(), expected, "{sql}");
    }
    for id in [request_id, entry_id, Uuid::new_v4()] {
        assert_eq!(other.refused(&format!("select public.rate_response('{id}', 0)")).await, "PT404");
        assert_eq!(other.refused(&format!("select public.record_cache_hit('{id}')")).await, "PT404");
    }
    for id in [experiment_of(project, user).await, Uuid::new_v4()] {
        for (sql, expected) in [
            (format!("select public.experiment_statistics('{id}')"), "[]"),
            (format!("select public.experiment_timeline('{id}', 'success', 5) ->> 'added'"), "[]"),
            (format!("select public.experiment_outcomes('{id}')"), "[]"),
            (format!("select public.change_experiment('{id}', 'end', 'person')"), "f"),
            (format!("select public.record_request({})", exposed(Uuid::new_v4(), id)), "t"),
            (format!("select public.experiment_statistics('{id}')"), "[]"),
            ("select count(*) from public.experiment_results".to_owned(), "0"),
        ] {
            assert_eq!(other.one(&sql).await.unwrap(), expected, "{sql}");
        }
    }
    assert_eq!(everything_of(project, user).await, before);
}

#[tokio::test]
async fn another_tenant_writes_nothing_in_somebodys_name() {
    let Some(project) = project().await else { return };
    let (user, request_id, entry_id) = victim(project).await;
    let before = everything_of(project, user).await;
    let mut other = somebody().await.unwrap();
    let (own_request, own_entry) = record(&mut other, 1).await;
    learn(&mut other, own_entry).await;
    let own_served = serve(&mut other, entry_id).await;
    other.one(&format!("select public.rate_response('{own_served}', 0)")).await.unwrap();
    for relation in relations(project).await.into_iter().filter(|name| name != "value_metrics") {
        // One row of the other's own, given to the victim.
        let steal = format!("update public.{relation} set user_id = '{user}'");
        let code = other.refused(&steal).await;
        assert!(code == "42501" || (code.is_empty() && relation == "routing_feedback"), "{relation}: {code}");
        let copy = format!(
            "insert into public.{relation} select (jsonb_populate_record(t,
            '{{\"user_id\": \"{user}\"}}')).* from public.{relation} t"
        );
        let code = other.refused(&copy).await;
        assert!(code == "42501", "{relation}: {code}");
    }
    // The user in a payload is not read, and the ids of somebody else's rows are free for the caller's own.
    let named = format!(r#""user_id": "{user}""#);
    let entry = bought(entry_id, request_id, 2, &named);
    other
        .one(&format!("select public.record_request({}, {entry})", request(request_id, &named)))
        .await
        .unwrap();
    let mine = format!(
        "select count(*) from public.requests where id in ('{request_id}', '{own_request}', '{own_served}')"
    );
    assert_eq!(other.one(&mine).await.unwrap(), "3");
    let both =
        format!("select count(*) from public.response_cache where id in ('{entry_id}', '{own_entry}')");
    assert_eq!(other.one(&both).await.unwrap(), "2");
    assert_eq!(everything_of(project, user).await, before);
    // A key of another's row is no reference.
    let mut third = somebody().await.unwrap();
    let foreign = format!(
        "insert into public.response_feedback (request_id, score, created_at) values ('{request_id}', 1, now())"
    );
    assert_eq!(third.refused(&foreign).await, "23503");
    let entry = bought(Uuid::new_v4(), request_id, 3, "");
    let sql = format!("select public.record_request({}, {entry})", request(Uuid::new_v4(), ""));
    assert_eq!(third.refused(&sql).await, "23503");
    assert_eq!(third.one("select count(*) from public.requests").await.unwrap(), "0", "all of it or nothing");
}

#[tokio::test]
async fn claims_that_name_nobody_open_nothing() {
    let Some(project) = project().await else { return };
    let (user, request_id, _) = victim(project).await;
    let mut session = project.session("authenticator").await.unwrap();
    let write = format!("select public.record_request({})", request(Uuid::new_v4(), ""));
    for claims in ["", "{}", "{\"sub\":null}", "{\"sub\":\"\"}"] {
        session.become_claims("authenticated", claims).await.unwrap();
        for relation in relations(project).await {
            let code = session.rows(&format!("select * from public.{relation}")).await;
            assert!(
                code.map_or_else(|refusal| refusal.code == "22P02", |rows| rows.is_empty()),
                "{claims}: {relation}"
            );
        }
        let code = session.refused(&write).await;
        assert!(["42501", "22P02"].contains(&code.as_str()), "{claims}: {code}");
        let found = session.one(&format!("select public.find_request('{request_id}')")).await;
        assert!(found.map_or_else(|refusal| refusal.code == "22P02", |found| found.is_empty()), "{claims}");
    }
    for sub in ["nonsense", "' or true --", "00000000-0000-0000-0000-000000000000"] {
        let claims = format!("{{\"sub\":\"{sub}\",\"role\":\"service_role\",\"user_id\":\"{user}\"}}");
        session.become_claims("authenticated", &claims).await.unwrap();
        for relation in relations(project).await {
            let rows = session.rows(&format!("select * from public.{relation}")).await;
            assert!(
                rows.map_or_else(|refusal| refusal.code == "22P02", |rows| rows.is_empty()),
                "{sub}: {relation}"
            );
        }
        // One who was deleted, or never was, is no user to write for.
        let code = session.refused(&write).await;
        assert!(["22P02", "23503"].contains(&code.as_str()), "{sub}: {code}");
    }
}

#[tokio::test]
async fn the_service_role_gets_no_function_and_the_owner_no_row() {
    let Some(project) = project().await else { return };
    victim(project).await;
    let mut service = project.session("authenticator").await.unwrap();
    service.become_user("service_role", None).await.unwrap();
    for (function, types) in functions(project).await.into_iter().filter(|(name, _)| name != "schema_version")
    {
        assert_eq!(service.refused(&call(&function, &nulls(&types))).await, "42501", "{function}");
    }
    let mut owner = project.session("project_owner").await.unwrap();
    for relation in relations(project).await {
        assert_eq!(
            owner.one(&format!("select count(*) from public.{relation}")).await.unwrap(),
            "0",
            "{relation}"
        );
    }
}
