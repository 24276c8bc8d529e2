//! Requests and answers: written once, whatever is delivered twice, late or at the same time.

use uuid::Uuid;

use super::samples::{at_angle, bought, hash, intent, learn, project, record, request, serve, somebody};

#[tokio::test]
async fn an_intent_becomes_an_end_and_never_again_an_intent() {
    let Some(mut me) = somebody().await else { return };
    let id = Uuid::new_v4();
    let begin = format!("select public.record_request({})", intent(id));
    let end = format!("select public.record_request({})", request(id, ""));
    let status = format!("select public.find_request('{id}') ->> 'status'");
    assert_eq!(me.one(&begin).await.unwrap(), "t");
    assert_eq!(me.one(&status).await.unwrap(), "intent");
    assert_eq!(me.one(&begin).await.unwrap(), "f", "delivered twice");
    assert_eq!(me.one(&end).await.unwrap(), "t");
    for late in [&begin, &end, &begin] {
        assert_eq!(me.one(late).await.unwrap(), "f");
        assert_eq!(me.one(&status).await.unwrap(), "completed");
    }
    assert_eq!(me.one("select count(*) from public.routing_metrics").await.unwrap(), "1");
    let other = Uuid::new_v4();
    let out_of_order = format!(
        "select public.record_request({}); select public.record_request({})",
        request(other, ""),
        intent(other)
    );
    assert_eq!(me.one(&out_of_order).await.unwrap(), "f", "the end came first");
    assert_eq!(me.one("select count(*) from public.requests where status = 'completed'").await.unwrap(), "2");
}

#[tokio::test]
async fn a_request_is_read_back_as_it_was_written() {
    let Some(mut me) = somebody().await else { return };
    let id = Uuid::new_v4();
    let fields = r#""created_at": "2026-11-23T12:00:00.123456Z", "tags": ["a", "b,\"c"], "cost_pico": 9223372036854775807,
        "complexity_score": 0.1, "similarity": 0.98, "is_audit": true, "attempts": [{"provider": "x", "cost_pico": null}], "error": "é\t"#;
    let sql = format!("select public.record_request({})", request(id, &format!("{fields}\"")));
    me.one(&sql).await.unwrap();
    for (field, expected) in [
        ("created_at", "2026-11-23T12:00:00.123456+00:00"),
        ("tags", r#"["a", "b,\"c"]"#),
        ("cost_pico", "9223372036854775807"),
        ("complexity_score", "0.1"),
        ("similarity", "0.98"),
        ("attempts", r#"[{"provider": "x", "cost_pico": null}]"#),
        ("error", "é\t"),
        ("is_audit", "true"),
        ("response_text", ""),
    ] {
        let found = me.one(&format!("select public.find_request('{id}') ->> '{field}'")).await.unwrap();
        assert_eq!(found, expected, "{field}");
    }
    let unknown = format!("select public.find_request('{}')", Uuid::new_v4());
    assert_eq!(me.one(&unknown).await.unwrap(), "");
}

#[tokio::test]
async fn a_bought_answer_is_found_exactly_and_nearby_until_it_expires() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = record(&mut me, 1).await;
    let exact = |scope, prompt, at: &str| {
        format!("select id from public.find_cache_entry({}, {}, '{at}')", hash(scope), hash(prompt))
    };
    let nearby = |scope, fingerprint: &str, threshold: f64, at: &str| {
        let near = at_angle(0.01);
        let scope = hash(scope);
        format!(
            "select id from public.match_cache_entries('{near}', {threshold}, 5, {scope}, '{fingerprint}', '{at}')"
        )
    };
    let (before, after) = ("2026-11-24", "2100-01-01");
    let id = entry_id.to_string();
    for (sql, expected) in [
        (exact(1, 1, before), id.as_str()),
        (exact(2, 1, before), ""),
        (exact(1, 2, before), ""),
        (exact(1, 1, after), ""),
        (nearby(1, "test", 0.95, before), id.as_str()),
        (nearby(2, "test", 0.95, before), ""),
        (nearby(1, "other", 0.95, before), ""),
        (nearby(1, "test", 1.01, before), ""),
        (nearby(1, "test", 0.95, after), ""),
    ] {
        assert_eq!(me.one(&sql).await.unwrap(), expected, "{sql}");
    }
    let text = format!("select public.find_request('{request_id}') ->> 'response_text'");
    assert_eq!(me.one(&text).await.unwrap(), "answer 1");
    let served = serve(&mut me, entry_id).await;
    let text = format!("select public.find_request('{served}') ->> 'response_text'");
    assert_eq!(me.one(&text).await.unwrap(), "answer 1");
    assert_eq!(me.one("select public.forget_cache(everything => true)").await.unwrap(), "1");
    assert_eq!(me.one(&text).await.unwrap(), "");
}

#[tokio::test]
async fn a_newer_answer_takes_the_place_of_the_older_and_not_the_other_way_round() {
    let Some(mut me) = somebody().await else { return };
    let mut buy = async |created_at: &str| {
        let (request_id, entry_id) = (Uuid::new_v4(), Uuid::new_v4());
        let entry = bought(entry_id, request_id, 1, &format!(r#""created_at": "{created_at}""#));
        let sql = format!("select public.record_request({}, {entry})", request(request_id, ""));
        me.one(&sql).await.unwrap();
        let kept = me.one(&format!("select id from public.find_cache_entry({}, {})", hash(1), hash(1))).await;
        (entry_id.to_string(), kept.unwrap())
    };
    let (first, kept) = buy("2026-11-23T12:00:00Z").await;
    assert_eq!(kept, first);
    let (second, kept) = buy("2026-11-23T12:00:00Z").await;
    assert_eq!(kept, second, "of the same time: the later delivered");
    let (_, kept) = buy("2026-11-23T11:00:00Z").await;
    assert_eq!(kept, second, "an older one that was delivered late");
}

#[tokio::test]
async fn what_was_forgotten_stays_so_when_its_record_is_delivered_again() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = (Uuid::new_v4(), Uuid::new_v4());
    let sql = format!(
        "select public.record_request({}, {})",
        request(request_id, ""),
        bought(entry_id, request_id, 1, "")
    );
    me.one(&sql).await.unwrap();
    assert_eq!(
        me.one(&format!("select public.forget_cache(request_id => '{request_id}')")).await.unwrap(),
        "1"
    );
    assert_eq!(me.one(&sql).await.unwrap(), "f");
    assert_eq!(me.one("select count(*) from public.response_cache").await.unwrap(), "0");
}

#[tokio::test]
async fn a_hit_delivered_many_times_at_once_counts_once() {
    let Some(project) = project().await else { return };
    let user = project.user().await.unwrap();
    let mut me = project.signed_in(user).await.unwrap();
    let (_, entry_id) = record(&mut me, 1).await;
    let id = Uuid::new_v4();
    let fields = format!(r#""source": "cache_exact", "cache_entry_id": "{entry_id}", "similarity": 1"#);
    let sql = format!("select public.record_request({})", request(id, &fields));
    let deliveries = (0..8).map(|_| async {
        let mut session = project.signed_in(user).await.unwrap();
        session.one(&sql).await.unwrap()
    });
    let answers = futures::future::join_all(deliveries).await;
    assert_eq!(answers.iter().filter(|answer| *answer == "t").count(), 1, "{answers:?}");
    assert_eq!(me.one("select hits from public.get_user_cache_stats()").await.unwrap(), "1");
    assert_eq!(me.one("select count(*) from public.routing_metrics").await.unwrap(), "2");
    assert_eq!(me.one(&format!("select public.record_cache_hit('{entry_id}')")).await.unwrap(), "2");
}

#[tokio::test]
async fn a_few_expired_answers_go_with_each_that_comes() {
    let Some(mut me) = somebody().await else { return };
    for prompt in 1..=10 {
        let (request_id, entry_id) = (Uuid::new_v4(), Uuid::new_v4());
        let entry = bought(entry_id, request_id, prompt, r#""expires_at": "2026-11-23T12:00:00Z""#);
        let old = request(request_id, "");
        me.one(&format!(
            "select public.record_request({old}, {entry} || '{{\"created_at\": \"2026-11-23T11:00:00Z\"}}')"
        ))
        .await
        .unwrap();
    }
    record(&mut me, 11).await;
    assert_eq!(me.one("select count(*) from public.response_cache").await.unwrap(), "3");
}

#[tokio::test]
async fn what_is_forgotten_is_counted_first_and_gone_after() {
    let Some(mut me) = somebody().await else { return };
    let (_, mut last) = (record(&mut me, 0).await, Uuid::nil());
    for prompt in [10, 100] {
        last = record(&mut me, prompt).await.0;
    }
    let near = at_angle(0.0);
    for (wish, expected) in [
        ("older_than => '2026-11-23T12:00:00Z'".to_owned(), "0"),
        (format!("query_embedding => '{near}', embedder_fingerprint => 'other', min_similarity => 0.9"), "0"),
        (
            format!("query_embedding => '{near}', embedder_fingerprint => 'test', min_similarity => 0.999"),
            "1",
        ),
        (format!("request_id => '{last}'"), "1"),
        ("everything => true".to_owned(), "1"),
    ] {
        let count = format!("select public.forget_cache({wish}, dry_run => true)");
        let delete = format!("select public.forget_cache({wish})");
        assert_eq!(me.one(&count).await.unwrap(), expected, "{wish}");
        assert_eq!(me.one(&delete).await.unwrap(), expected, "{wish}");
        assert_eq!(me.one(&count).await.unwrap(), "0", "{wish}");
    }
    assert_eq!(me.one("select count(*) from public.requests").await.unwrap(), "3", "records of cost stay");
    for wish in ["", "everything => false", "everything => true, older_than => now()", "request_id => null"] {
        assert_eq!(me.refused(&format!("select public.forget_cache({wish})")).await, "22023", "{wish}");
    }
}

#[tokio::test]
async fn with_a_user_all_rows_go() {
    let Some(project) = project().await else { return };
    let user = project.user().await.unwrap();
    let mut me = project.signed_in(user).await.unwrap();
    let (request_id, entry_id) = record(&mut me, 1).await;
    me.one(&format!("select public.rate_response('{request_id}', 1)")).await.unwrap();
    learn(&mut me, entry_id).await;
    let mut superuser = project.session("postgres").await.unwrap();
    let tables = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'";
    let tables: Vec<String> =
        superuser.rows(tables).await.unwrap().into_iter().map(|mut row| row.remove(0).unwrap()).collect();
    let any = |table: &String| format!("select count(*) > 0 from public.{table} where user_id = '{user}'");
    for table in &tables {
        assert_eq!(superuser.one(&any(table)).await.unwrap(), "t", "{table}");
    }
    superuser.one(&format!("delete from auth.users where id = '{user}'")).await.unwrap();
    for table in &tables {
        assert_eq!(superuser.one(&any(table)).await.unwrap(), "f", "{table}");
    }
}
