//! Migrations: each once, in order, by an owner who is no superuser.

use supabase_stack::project::{Project, migrations};

#[tokio::test]
async fn a_migration_is_applied_once_in_its_turn_and_two_owners_at_once_do_no_harm() {
    let Some(distribution) = supabase_stack::distribution() else { return };
    let project = Project::empty(&distribution).await.unwrap();
    let all = migrations().unwrap();
    let numbers: Vec<u32> = all.iter().map(|migration| migration.number).collect();
    assert_eq!(numbers, (1..=u32::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    let mut owner = project.session("project_owner").await.unwrap();
    assert_eq!(owner.refused("select public.schema_version()").await, "42883", "not migrated");
    for migration in &all[1..] {
        let refusal = project.apply(migration).await.unwrap_err();
        assert_eq!(refusal.code, "42883", "{}: its turn has not come", migration.number);
    }
    for (place, migration) in all.iter().enumerate() {
        let (one, other) = tokio::join!(project.apply(migration), project.apply(migration));
        let refusal = match (one, other) {
            (Ok(()), Err(refusal)) | (Err(refusal), Ok(())) => refusal,
            both => panic!("{both:?}"),
        };
        // Functions may be seen half replaced by the one that waited.
        assert!(["55000", "XX000", "42883"].contains(&refusal.code.as_str()), "{refusal:?}");
        let version = owner.one("select public.schema_version()").await.unwrap();
        assert_eq!(version, migration.number.to_string());
        for earlier in &all[..=place] {
            assert_eq!(project.apply(earlier).await.unwrap_err().code, "55000");
        }
    }
    let is_superuser = owner.one("select rolsuper from pg_roles where rolname = current_user").await.unwrap();
    assert_eq!(is_superuser, "f");
}

/// Looks up what a file's own check looks up, so that a session has it in its cache.
const CHECK: &str = "do $$ begin
    perform pg_advisory_xact_lock(1), to_regprocedure('public.schema_version()') is not null;
    if public.schema_version() <> 0 then perform 1; end if;
end $$";

#[tokio::test]
async fn an_owner_who_waited_sees_what_the_other_applied_whatever_the_session_had_cached() {
    let Some(distribution) = supabase_stack::distribution() else { return };
    let project = Project::empty(&distribution).await.unwrap();
    let mut one = project.session("project_owner").await.unwrap();
    let mut other = project.session("project_owner").await.unwrap();
    let mut observer = project.session("project_owner").await.unwrap();
    for migration in &migrations().unwrap() {
        // Before the first file there is no version to look up.
        let _ = other.rows(CHECK).await;
        one.rows(&format!("begin; {}", migration.sql)).await.unwrap();
        let commit = async {
            let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
            while observer.one(waiting).await.unwrap() != "1" {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            one.rows("commit").await.unwrap();
        };
        let (waited, ()) = tokio::join!(other.refused(&migration.sql), commit);
        assert_eq!(waited, "55000", "{}", migration.number);
    }
}

#[tokio::test]
async fn a_project_without_realtime_can_be_migrated_and_one_with_a_table_of_ours_is_left_alone() {
    let Some(distribution) = supabase_stack::distribution() else { return };
    let project = Project::empty(&distribution).await.unwrap();
    let mut owner = project.session("project_owner").await.unwrap();
    owner
        .rows("drop publication supabase_realtime; create table public.response_feedback (id int)")
        .await
        .unwrap();
    let all = migrations().unwrap();
    assert_eq!(project.apply(&all[0]).await.unwrap_err().code, "42P07");
    let tables = "select string_agg(relname, ',') from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r'";
    assert_eq!(owner.one(tables).await.unwrap(), "response_feedback");
    owner.rows("drop table public.response_feedback").await.unwrap();
    for migration in &all {
        project.apply(migration).await.unwrap();
    }
}
