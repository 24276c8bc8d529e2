//! The bound of the answers that are kept: who goes, and when it is looked at.

use supabase_stack::project::Project;
use supabase_stack::session::Session;
use uuid::Uuid;

use super::samples::{bought, request, somebody};

/// Records a request that bought an answer; `text` is what it says.
async fn buy(session: &mut Session, id: Uuid, prompt: u8, (text, fields): (&str, &str)) {
    let request_id = Uuid::new_v4();
    let fields = format!(r#""response_text": "{text}", {fields}"#);
    let entry = bought(id, request_id, prompt, &fields);
    session
        .one(&format!("select public.record_request({}, {entry})", request(request_id, "")))
        .await
        .unwrap();
}

async fn kept(session: &mut Session) -> String {
    let sql = "select string_agg(prompt_sha256::text, ' ' order by prompt_sha256) from
        (select get_byte(prompt_sha256, 0) as prompt_sha256 from public.response_cache) c";
    session.one(sql).await.unwrap()
}

#[tokio::test]
async fn of_too_many_the_expired_go_first_and_then_those_that_are_cheap_to_buy_again() {
    let Some(mut me) = somebody().await else { return };
    let long = "é".repeat(100);
    let short = "é".repeat(50);
    // Saved for a byte: 10, 10 by a younger one, 20, 15 by two hits more, nothing that is known; and one has expired.
    for (prompt, entry) in [
        (1, (&*short, r#""cost_pico": 1000, "created_at": "2026-11-23T11:00:00Z""#)),
        (2, (&short, r#""cost_pico": 1000"#)),
        (3, (&short, r#""cost_pico": 2000"#)),
        (4, (&long, r#""cost_pico": 1000"#)),
        (5, (&short, r#""cost_pico": null"#)),
        (6, ("é", r#""cost_pico": 9223372036854775807, "expires_at": "2026-11-23T13:00:00Z""#)),
    ] {
        buy(&mut me, Uuid::new_v4(), prompt, entry).await;
    }
    me.rows("update public.response_cache set hit_count = 2 where get_byte(prompt_sha256, 0) = 4")
        .await
        .unwrap();
    let evict = |most: u32| format!("select public.evict_cache_entries({most}, '2026-11-24')");
    assert_eq!(me.one(&evict(6)).await.unwrap(), "0", "not too many");
    for expected in ["1 2 3 4 5", "1 2 3 4", "2 3 4", "3 4", "3"] {
        assert_eq!(me.one(&evict(1)).await.unwrap(), "1");
        assert_eq!(kept(&mut me).await, expected);
    }
    assert_eq!(me.one(&evict(1)).await.unwrap(), "0");
    for prompt in 10..=250 {
        buy(&mut me, Uuid::new_v4(), prompt, ("a", r#""cost_pico": 1"#)).await;
    }
    assert_eq!(me.one(&evict(200)).await.unwrap(), "2", "a hundredth at once");
    for (most, code) in [("null", "22004"), ("-1", "22023")] {
        assert_eq!(me.refused(&format!("select public.evict_cache_entries({most})")).await, code);
    }
}

#[tokio::test]
async fn with_one_answer_in_a_hundred_it_is_looked_whether_there_are_too_many() {
    let Some(distribution) = supabase_stack::distribution() else { return };
    let project = Project::migrated(&distribution).await.unwrap();
    let mut owner = project.session("project_owner").await.unwrap();
    let definition = "select pg_get_functiondef('public.evict_cache_entries'::regproc)";
    let shipped = owner.one(definition).await.unwrap();
    let small = shipped.replace("100000", "5");
    assert_ne!(small, shipped);
    owner.rows(&small).await.unwrap();
    let user = project.user().await.unwrap();
    let mut me = project.signed_in(user).await.unwrap();
    let mut ids = async |looks: bool| -> Vec<Uuid> {
        let sql = format!(
            "select id from (select gen_random_uuid() as id from generate_series(1, 5000)) ids
            where (hashtextextended(id::text, 0) % 100 = 0) = {looks} limit 10"
        );
        let rows = owner.rows(&sql).await.unwrap();
        rows.into_iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
    };
    let dear = r#""cost_pico": 1000000"#;
    for (prompt, id) in (1..=10).zip(ids(false).await) {
        buy(&mut me, id, prompt, ("a", if prompt == 4 { r#""cost_pico": 1"# } else { dear })).await;
    }
    assert_eq!(kept(&mut me).await, "1 2 3 4 5 6 7 8 9 10");
    buy(&mut me, ids(true).await[0], 11, ("a", dear)).await;
    assert_eq!(kept(&mut me).await, "1 2 3 5 6 7 8 9 10 11");
}
