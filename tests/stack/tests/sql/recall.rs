//! Nearest neighbours under row-level security: right for a user who owns little of a table, and for one who owns
//! most of it, in small scopes and in large ones.

use supabase_stack::project::Project;
use supabase_stack::session::Session;
use uuid::Uuid;

/// Vectors are made of these.
const LAB: &str = include_str!("lab.sql");

/// Rows in 200 clusters; questions are rows, moved a little.
const ROWS: &str = "
set session_replication_role = replica;
drop index public.response_cache_by_embedding;
insert into public.response_cache (user_id, id, scope_hash, prompt_sha256, embedder_fingerprint, embedding,
    response_text, provider, model, finish_reason, request_id, created_at, expires_at)
select o.user_id, gen_random_uuid(), decode(lpad(to_hex(case when g.n % 10 = 0 then 2 else 1 end), 64, '0'), 'hex'),
    sha256(g.n::text::bytea), 'f',
    lab.moved(lab.moved(c.v, a.v, 0.45), b.v, 0.35), 'an answer', 'p', 'm', 'stop', gen_random_uuid(), now(),
    now() + interval '1 day'
from generate_series(0::bigint, 9999) as g (n)
join lab.owners o on g.n between o.first and o.last
join lab.directions c on c.n = g.n * 7919 % 200
join lab.directions a on a.n = 200 + g.n * 104729 % 499
join lab.directions b on b.n = 700 + g.n * 1299709 % 491;
create index response_cache_by_embedding on public.response_cache
    using hnsw (embedding extensions.vector_cosine_ops) with (m = 16, ef_construction = 64);
analyze public.response_cache;
create table lab.questions as
select c.user_id, c.scope_hash, lab.moved(c.embedding, d.v, 0.3) as question
from (select *, row_number() over (partition by user_id, scope_hash order by id) as place from public.response_cache) c
join lab.directions d on d.n = place
where place <= 100;
create table lab.nearest as
select q.*, (
    select array_agg(id) from (
        select c.id from public.response_cache c
        where c.user_id = q.user_id and c.scope_hash = q.scope_hash
        order by (c.embedding operator(extensions.<=>) q.question) + 0 limit 5) as five) as ids
from lab.questions q;
grant usage on schema lab to authenticated;
grant select on lab.nearest to authenticated;
";

/// What a user finds, as shares: the nearest row, and all rows of the five that there are.
async fn recall(session: &mut Session, user: Uuid, scope: u8) -> (f64, f64, u32) {
    let sql = format!(
        "select avg((found.ids[1] = n.ids[1])::int), avg(cardinality(found.ids)::float / cardinality(n.ids)), count(*)
        from lab.nearest n, lateral (
            select array_agg(m.id order by m.similarity desc) as ids
            from public.match_cache_entries(n.question, -1, 5, n.scope_hash, 'f') m) as found
        where n.user_id = '{user}' and n.scope_hash = decode(lpad(to_hex({scope}), 64, '0'), 'hex')"
    );
    let row = session.rows(&sql).await.unwrap().remove(0);
    let number = |place: usize| row[place].as_ref().unwrap().parse::<f64>().unwrap();
    (number(0), number(1), number(2) as u32)
}

#[tokio::test]
async fn the_nearest_answer_is_found_whoever_owns_how_much_of_the_table() {
    let Some(distribution) = supabase_stack::distribution() else { return };
    let project = Project::migrated(&distribution).await.unwrap();
    let mut superuser = project.session("postgres").await.unwrap();
    superuser.rows(LAB).await.unwrap();
    superuser.rows("create table lab.owners (first int, last int, user_id uuid)").await.unwrap();
    let shares = [(0, 99, "1 %"), (100, 1_099, "10 %"), (1_100, 7_099, "60 %"), (7_100, 9_999, "the rest")];
    let mut users = Vec::new();
    for (first, last, share) in shares {
        let user = project.user().await.unwrap();
        superuser.rows(&format!("insert into lab.owners values ({first}, {last}, '{user}')")).await.unwrap();
        users.push((user, share));
    }
    superuser.rows(ROWS).await.unwrap();
    check(&project, &users, "one by one").await;
    // Large scopes go by the index; here the small ones do, too.
    let mut owner = project.session("project_owner").await.unwrap();
    let definition = "select pg_get_functiondef('public.match_cache_entries'::regproc)";
    let shipped = owner.one(definition).await.unwrap();
    let few = "least(20000, greatest(1000, sqrt(100 * table_rows)))";
    let by_index = shipped.replace(few, "50");
    assert_ne!(by_index, shipped);
    owner.rows(&format!("select '[1]'::extensions.vector; {by_index}")).await.unwrap();
    check(&project, &users, "by the index").await;
    // An index that gives up at once, as where other people's rows crowd around the question.
    let settings = "alter role authenticator set hnsw.max_scan_tuples = 1";
    superuser.rows(&format!("select '[1]'::extensions.vector; {settings}")).await.unwrap();
    check(&project, &users, "by an index that gives up").await;
}

/// Has the nearest row be wrong for each question, and gives the shares of those whose next is found first, and of
/// those that get as many as they want.
async fn recall_without_the_nearest(session: &mut Session, user: Uuid, scope: u8) -> (f64, f64) {
    let questions = format!(
        "lab.nearest n where n.user_id = '{user}' and n.scope_hash = decode(lpad(to_hex({scope}), 64, '0'), 'hex')"
    );
    let exclude = format!(
        "insert into public.negative_pairs (prompt_sha256, cache_entry_id)
        select sha256(n.question::text::bytea), n.ids[1] from {questions} on conflict do nothing"
    );
    session.rows(&exclude).await.unwrap();
    let sql = format!(
        "select avg((found.ids[1] = n.ids[2])::int), avg((cardinality(found.ids) = 4)::int)
        from (select * from {questions}) n, lateral (
            select array_agg(m.id order by m.similarity desc) as ids
            from public.match_cache_entries(
                n.question, -1, 4, n.scope_hash, 'f', now(), sha256(n.question::text::bytea)) m) as found"
    );
    let row = session.rows(&sql).await.unwrap().remove(0);
    let number = |place: usize| row[place].as_ref().unwrap().parse::<f64>().unwrap();
    (number(0), number(1))
}

async fn check(project: &Project, users: &[(Uuid, &str)], way: &str) {
    for (user, share) in users {
        let mut session = project.signed_in(*user).await.unwrap();
        for scope in [1, 2] {
            let (nearest, found, questions) = recall(&mut session, *user, scope).await;
            assert!(questions >= 10, "{questions}");
            let what = format!("{share}, scope {scope}, {way}: {nearest} of the nearest, {found} of all");
            assert!(nearest >= 0.99 && found >= 1.0, "{what}");
            let (next, whole) = recall_without_the_nearest(&mut session, *user, scope).await;
            assert!(next >= 0.99 && whole >= 1.0, "{what}, without it: {next} of the next, {whole} in full");
        }
    }
}
