//! Ratings: the last of a request counts, the sums are those of the answer, and routing hears of them.

use uuid::Uuid;

use super::samples::{at_angle, project, record, request, serve, somebody};

#[tokio::test]
async fn the_last_rating_of_each_request_is_in_the_sums_of_the_answer() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = record(&mut me, 1).await;
    let served = serve(&mut me, entry_id).await;
    let mut rate = async |request: Uuid, score: f64| {
        let sql = format!(
            "select concat_ws(' ', r ->> 'cache_entry_id', r ->> 'approval_sum', r ->> 'rating_count')
             from public.rate_response('{request}', {score}) r"
        );
        me.one(&sql).await.unwrap()
    };
    assert_eq!(rate(request_id, 1.0).await, format!("{entry_id} 1 1"));
    assert_eq!(rate(request_id, 0.25).await, format!("{entry_id} 0.25 1"));
    assert_eq!(rate(served, 0.5).await, format!("{entry_id} 0.75 2"));
    assert_eq!(rate(served, 0.5).await, format!("{entry_id} 0.75 2"), "delivered twice");
    for (score, code) in [("-0.1", "23514"), ("1.1", "23514"), ("'NaN'", "23514"), ("null", "23502")] {
        assert_eq!(
            me.refused(&format!("select public.rate_response('{served}', {score})")).await,
            code,
            "{score}"
        );
    }
    let unknown = format!("select public.rate_response('{}', 1)", Uuid::new_v4());
    assert_eq!(me.refused(&unknown).await, "PT404");
}

#[tokio::test]
async fn an_answer_is_retired_by_the_sums_that_the_caller_saw_and_by_no_others() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = record(&mut me, 1).await;
    me.one(&format!("select public.rate_response('{request_id}', 0)")).await.unwrap();
    let retire = |sum: f64, count: u32| {
        format!("select public.retire_cache_entry('{entry_id}', {sum}, {count}, '2026-12-01')")
    };
    assert_eq!(me.one(&retire(0.0, 2)).await.unwrap(), "f", "another rating came");
    assert_eq!(me.one(&retire(1.0, 1)).await.unwrap(), "f", "the rating was changed");
    assert_eq!(me.one(&retire(0.0, 1)).await.unwrap(), "t");
    assert_eq!(me.one(&retire(0.0, 1)).await.unwrap(), "t", "delivered twice");
    let found =
        me.one("select concat(entries, retired_entries) from public.get_user_cache_stats()").await.unwrap();
    assert_eq!(found, "01");
    let retired_at =
        me.one(&format!("select public.rate_response('{request_id}', 1) ->> 'retired_at'")).await;
    assert_eq!(retired_at.unwrap(), "2026-12-01T00:00:00+00:00", "a better rating does not bring it back");
}

#[tokio::test]
async fn of_ratings_at_once_the_last_sums_all() {
    let Some(project) = project().await else { return };
    let user = project.user().await.unwrap();
    let mut me = project.signed_in(user).await.unwrap();
    let (_, entry_id) = record(&mut me, 1).await;
    let mut requests = Vec::new();
    for _ in 0..8 {
        requests.push(serve(&mut me, entry_id).await);
    }
    let ratings = requests.iter().map(|request| async move {
        let mut session = project.signed_in(user).await.unwrap();
        let sql = format!("select public.rate_response('{request}', 0) ->> 'rating_count'");
        session.one(&sql).await.unwrap().parse::<u32>().unwrap()
    });
    let mut counts = futures::future::join_all(ratings).await;
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(me.one("select rating_count from public.response_cache").await.unwrap(), "8");
}

#[tokio::test]
async fn what_a_rating_says_of_a_model_is_found_near_its_prompt_and_can_be_taken_back() {
    let Some(mut me) = somebody().await else { return };
    let (request_id, entry_id) = record(&mut me, 10).await;
    let served = serve(&mut me, entry_id).await;
    let near = format!(
        "select string_agg(concat_ws(' ', model, score, source, round(similarity::numeric, 4)), ', ')
         from public.nearest_outcomes('{}', 'test', 200)",
        at_angle(0.0)
    );
    let rate = |request: Uuid, score: &str, source: &str| {
        format!(
            r#"select public.rate_response('{request}', 0.5, null, null,
            '{{"provider": "anthropic", "model": "m", "score": {score}, "source": {source}}}')"#
        )
    };
    assert_eq!(me.one("select public.has_outcomes()").await.unwrap(), "f");
    assert_eq!(me.one(&near).await.unwrap(), "");
    me.one(&rate(request_id, "0.5", "\"rating\"")).await.unwrap();
    assert_eq!(me.one("select public.has_outcomes()").await.unwrap(), "t");
    assert_eq!(me.one(&near).await.unwrap(), "m 0.5 rating 0.9950");
    me.one(&rate(request_id, "0.1", "\"automatic\"")).await.unwrap();
    assert_eq!(me.one(&near).await.unwrap(), "m 0.1 automatic 0.9950");
    me.one(&rate(request_id, "null", "\"automatic\"")).await.unwrap();
    assert_eq!(me.one(&near).await.unwrap(), "");
    me.one(&rate(served, "1", "\"rating\"")).await.unwrap();
    assert_eq!(
        me.one(&near).await.unwrap(),
        "m 1 rating 0.9950",
        "an answer of the cache counts for its model"
    );
    assert_eq!(me.refused(&rate(served, "1", "\"nonsense\"")).await, "23514");
    assert_eq!(me.refused(&rate(served, "1", "null")).await, "23514");
}

#[tokio::test]
async fn of_what_routing_learns_from_the_newest_stay() {
    let Some(mut me) = somebody().await else { return };
    let rows = |score: &str, source: &str, count: u32| {
        format!(
            "with ids as (select gen_random_uuid() as id, n from generate_series(1, {count}) n),
            requests as (insert into public.requests
                (id, created_at, status, prompt_sha256, quality, strategy, reason)
                select id, now() - make_interval(secs => n), 'completed', sha256(''), 'best', 'hybrid', '' from ids
                returning id, created_at)
            insert into public.routing_feedback (request_id, provider, model, score, source, created_at)
            select id, 'p', 'm', {score}, {source}, created_at from requests"
        )
    };
    me.rows(&rows("1", "'rating'", 20_300)).await.unwrap();
    me.rows(&rows("null", "null", 10_200)).await.unwrap();
    // Old ones are dropped with one request in 128; that none of 2,000 does happens once in six million runs.
    let write = request(Uuid::new_v4(), r#""created_at": "2099-01-01""#);
    let asked = r#"'{"models": [{"provider": "p", "model": "m"}]}'"#;
    me.rows(&format!("select public.record_request({write}, null, {asked}) from generate_series(1, 2000)"))
        .await
        .unwrap();
    let counts = "select concat_ws(' ', count(score), count(*) - count(score)) from public.routing_feedback";
    assert_eq!(me.one(counts).await.unwrap(), "20000 10000");
}
