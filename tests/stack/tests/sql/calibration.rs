//! What the cache learns: labels of many at once, arguments that are wrong, and look-ups that read no more than a row.

use futures::future::join_all;
use uuid::Uuid;

use super::samples::{bought, hash, learn, project, record, request, serve, somebody};

#[tokio::test]
async fn labels_of_many_at_once_are_all_counted_while_epochs_end() {
    let Some(project) = project().await else { return };
    let user = project.user().await.unwrap();
    let mut me = project.signed_in(user).await.unwrap();
    let writers = (0..8).map(|writer| async move {
        let mut session = project.signed_in(user).await.unwrap();
        for number in 0..24 {
            let (scope, cell) = (hash(number % 2), ["x", "y", "z"][usize::from((number + writer) % 3)]);
            let epoch = number / 8;
            let label = format!("select public.record_label({scope}, 'f', {epoch}, '{cell}', true, true)");
            session.one(&label).await.unwrap();
            if writer < 4 && number % 8 == 7 {
                for scope in [hash(0), hash(1)] {
                    session
                        .one(&format!("select public.end_cache_epoch({scope}, 'f', {epoch})"))
                        .await
                        .unwrap();
                }
            }
        }
    });
    join_all(writers).await;
    let all = "select concat_ws(' ', sum(right_labels), sum(audits), count(*)) from public.calibration";
    // Two scopes, three epochs, three cells.
    assert_eq!(me.one(all).await.unwrap(), "192 192 18");
    let late = format!("select public.record_label({}, 'f', 3, 'x', null)", hash(1));
    me.one(&late).await.unwrap();
    let differs = "with present as (
            select k.cell, sum(k.right_labels) as rights, sum(k.undecided_labels) as undecided
            from public.calibration k join public.calibration_epochs e using (user_id, scope_hash, embedder_fingerprint, epoch)
            group by k.cell)
        select count(*) from present p full join public.calibration_sums s using (cell)
        where (coalesce(p.rights, 0), coalesce(p.undecided, 0)) is distinct from (s.right_labels, s.undecided_labels)";
    assert_eq!(me.one(differs).await.unwrap(), "0", "sums are level with what they are sums of");
    let known = me.one(&format!("select public.cache_evidence({}, 'f')", hash(1))).await.unwrap();
    let cell = r#"[{"cell": "x", "audits": 0, "right_labels": 0, "wrong_labels": 0, "undecided_labels": 1}]"#;
    assert_eq!(known, format!(r#"{{"epoch": 3, "scope": {cell}, "tenant": {cell}}}"#));
}

#[tokio::test]
async fn arguments_of_the_wrong_length_or_size_are_turned_down() {
    let Some(mut me) = somebody().await else { return };
    let right = ["hash", "'f'", "0", "'x'"];
    for (place, value, code) in [
        (0, "null", "22004"),
        (0, "''::bytea", "22023"),
        (1, "null", "22004"),
        (1, "repeat('é', 501)", "22023"),
        (2, "null", "22004"),
        (2, "-1", "22023"),
        (2, "2147483648", "22003"),
        (3, "null", "22004"),
        (3, "repeat('é', 21)", "22023"),
    ] {
        let mut arguments = right;
        arguments[place] = value;
        for (function, count) in [("cache_evidence", 2), ("end_cache_epoch", 3), ("record_label", 4)] {
            let arguments = arguments[..count].join(", ").replace("hash", &hash(1));
            let expected = match (value, function) {
                _ if place >= count => "",
                // There is no function of such a number.
                ("2147483648", _) => "42883",
                _ => code,
            };
            let sql = format!("select public.{function}({arguments})");
            assert_eq!(me.refused(&sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_pair_goes_with_its_answer_and_is_made_by_no_other_verdict() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = record(&mut me, 1).await;
    let pairs = "select count(*) from public.negative_pairs";
    let rate = |request: Uuid, verdict: &str| {
        format!("select public.rate_response('{request}', 0, {verdict}) ->> 'pair_excluded'")
    };
    let served = serve(&mut me, entry_id).await;
    for (request, verdict, expected) in [
        (request_id, "'wrong'", "false 0"),
        (served, "'stale'", "false 0"),
        (served, "'wrong'", "true 1"),
        (served, "null", "false 0"),
        (served, "'wrong'", "true 1"),
    ] {
        let excluded = me.one(&rate(request, verdict)).await.unwrap();
        assert_eq!(format!("{excluded} {}", me.one(pairs).await.unwrap()), expected, "{verdict}");
    }
    me.one("select public.forget_cache(everything => true)").await.unwrap();
    assert_eq!(me.one(pairs).await.unwrap(), "0");
    assert_eq!(me.one(&rate(served, "'wrong'")).await.unwrap(), "false", "the answer is gone");
}

#[tokio::test]
async fn to_find_an_answer_no_more_is_read_than_what_might_be_it() {
    let Some(mut me) = somebody().await else { return };
    let (_, entry_id) = record(&mut me, 1).await;
    learn(&mut me, entry_id).await;
    let (request_id, entry_id) = (Uuid::new_v4(), Uuid::new_v4());
    let normal = format!(r#""normal_sha256": "\\x{}""#, "09".repeat(32));
    let entry = bought(entry_id, request_id, 2, &normal);
    me.one(&format!("select public.record_request({}, {entry})", request(request_id, ""))).await.unwrap();
    me.one(&format!(
        "with many as (insert into public.response_cache (
            id, scope_hash, prompt_sha256, normal_sha256, response_text, provider, model, finish_reason, request_id,
            created_at, expires_at)
        select gen_random_uuid(), c.scope_hash, sha256(n::text::bytea),
            case when n % 2 = 0 then sha256(n::text::bytea) end, 'a', 'p', 'm', 'stop', c.request_id, now(), c.expires_at
        from public.response_cache c, generate_series(1, 3000) n where c.id = '{entry_id}' returning 1)
        select count(*) from many",
    ))
    .await
    .unwrap();
    for (prompt, normal, expected) in
        [(2, "null", true), (3, "null", false), (3, &*hash(9), true), (3, &*hash(8), false)]
    {
        let find =
            format!("select id from public.find_cache_entry({}, {}, now(), {normal})", hash(1), hash(prompt));
        let read = "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0) from pg_stat_xact_user_tables
            where relname = 'response_cache'";
        me.rows("begin").await.unwrap();
        let before: u32 = me.one(read).await.unwrap().parse().unwrap();
        let found = me.one(&find).await.unwrap();
        let read = me.one(read).await.unwrap().parse::<u32>().unwrap() - before;
        me.rows("rollback").await.unwrap();
        assert_eq!(found, if expected { entry_id.to_string() } else { String::new() }, "{find}");
        assert!(read <= 2, "{read} rows: {find}");
    }
}
