//! The team's store: what a Supabase project on this machine adds to a request, through REST.
//!
//! `cargo bench --bench team` fills a table with 10,000 cached answers, `… -- 1000000` with so many; the stack comes
//! from `TEST_SUPABASE_STACK` and `TEST_POSTGRES_DIR`, as in `tests/run`; a million rows want `TEST_SHARED_BUFFERS=8GB`.
//! Prints figures for the README and asserts nothing, because machines differ.

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::embedding::Embedding;
use ai_cost_optimizer::domain::ids::EntryId;
use ai_cost_optimizer::domain::record::{ScopeHash, StoredEmbedding};
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::{NearestQuery, Store as _};
use serde_json::{Value, json};

#[path = "../tests/it/store/samples.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the tests use more of it, and may fail as tests do"
)]
mod samples;
#[path = "../tests/it/store/stack.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests use more of it, and may fail as tests do"
)]
mod stack;

const QUESTIONS: usize = 100;
const NEIGHBOURS: usize = 8;

/// Vectors are made of these.
const LAB: &str = include_str!("../tests/stack/tests/sql/lab.sql");

/// Rows in families of 50, on 200 topics; questions are rows, moved a little.
const FILL: &str = "
set maintenance_work_mem = '6GB';
set max_parallel_maintenance_workers = 2;
set session_replication_role = replica;
drop index public.response_cache_by_embedding;
insert into public.response_cache (user_id, id, scope_hash, prompt_sha256, embedder_fingerprint, embedding,
    response_text, provider, model, finish_reason, request_id, created_at, expires_at)
select o.user_id, gen_random_uuid(), decode(lpad('1', 64, '0'), 'hex'), sha256(g.n::text::bytea), 'bench',
    lab.moved(lab.moved(lab.moved(lab.moved(t.v, s.v, 0.7), f.v, 0.5), a.v, 0.4), b.v, 0.3), repeat('an answer of the usual length ', 20), 'anthropic',
    'claude-haiku-5-5', 'stop', gen_random_uuid(), now(), now() + interval '1 day'
from generate_series(0::bigint, ROWS - 1) as g (n)
join (values OWNERS) as o (first, last, user_id) on g.n between o.first and o.last
cross join lateral (select g.n * 7919 % (ROWS / 50) as family) k
join lab.directions t on t.n = k.family % 200
join lab.directions s on s.n = 200 + k.family * 31 % 499
join lab.directions f on f.n = 700 + k.family * 17 % 491
join lab.directions a on a.n = 200 + g.n * 104729 % 499
join lab.directions b on b.n = 700 + g.n * 1299709 % 491;
create index response_cache_by_embedding on public.response_cache
    using hnsw (embedding extensions.vector_cosine_ops) with (m = 16, ef_construction = 64)";

/// Questions of a user, with the entry that is nearest, found by looking at every row.
const QUESTIONS_OF: &str = "
select jsonb_agg(jsonb_build_object('question', q.question::text, 'nearest', (
    select c.id from public.response_cache c where c.user_id = 'USER'
    order by (c.embedding operator(extensions.<=>) q.question) + 0 limit 1)))
from (
    select lab.moved(c.embedding, d.v, 0.3) as question
    from (select embedding, row_number() over () as place from public.response_cache
          where user_id = 'USER' limit COUNT) c
    join lab.directions d on d.n = place + 100) q";

/// The search that a table without thought has: every row, on one processor, with the clock of the database around
/// it; milliseconds.
const NAIVE: &str = "
set max_parallel_workers_per_gather = 0;
do $$
declare began timestamptz; took double precision[]; i int; q extensions.vector;
begin
    for i in 1..15 loop
        select lab.moved(embedding, v, 0.3) into q from public.response_cache, lab.directions where n = i limit 1;
        began := clock_timestamp();
        perform id from public.response_cache order by (embedding operator(extensions.<=>) q) + 0 limit 8;
        took := took || extract(epoch from clock_timestamp() - began) * 1e3;
    end loop;
    perform set_config('lab.naive', (select percentile_cont(0.5) within group (order by t) from unnest(took) t)::text,
        false);
end $$;
select round(current_setting('lab.naive')::numeric, 1)";

struct Owner {
    name: &'static str,
    user: stack::User,
    first: u64,
    last: u64,
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<46} n {:<5} p50 {:>7.2} ms  p95 {:>7.2} ms  max {:>7.2} ms",
        times.len(),
        at(0.5),
        at(0.95),
        at(1.0)
    );
}

fn query(question: &[f32]) -> NearestQuery {
    let embedding = Embedding::new(question.to_vec()).expect("a question is a unit vector");
    let embedding = StoredEmbedding { fingerprint: "bench".into(), embedding };
    let mut scope = [0; 32];
    scope[31] = 1;
    NearestQuery {
        scope: ScopeHash(scope),
        embedding,
        prompt_sha256: [9; 32],
        limit: NEIGHBOURS,
        now: jiff::Timestamp::now(),
    }
}

/// Finds questions of a user and, for each, the one right answer.
fn questions(stack: &stack::Stack, owner: &Owner) -> Vec<(Vec<f32>, String)> {
    let sql = QUESTIONS_OF.replace("USER", &owner.user.id).replace("COUNT", &QUESTIONS.to_string());
    let found = stack.tell(&json!({ "sql": sql }));
    let found: Value = serde_json::from_str(found.as_str().expect("text")).expect("JSON");
    let read = |value: &Value| {
        let numbers = serde_json::from_str(value["question"].as_str().expect("text")).expect("a vector");
        (numbers, value["nearest"].as_str().expect("an id").to_owned())
    };
    found.as_array().expect("questions").iter().map(read).collect()
}

async fn search(store: &SupabaseStore, name: &str, questions: &[(Vec<f32>, String)]) {
    let (mut times, mut right) = (Vec::new(), 0);
    for (question, nearest) in questions {
        let began = Instant::now();
        let found = store.match_cache_entries(query(question)).await.expect("the project answers");
        times.push(began.elapsed());
        let nearest: EntryId = nearest.parse().expect("an id");
        right += usize::from(found.first().is_some_and(|found| found.entry.id == nearest));
    }
    print(&format!("match_cache_entries, {name}"), times);
    println!("  the nearest was first in {right} of {}", questions.len());
}

/// What a similar prompt costs beside its embedding: a lookup that misses, a search, and the record of the hit.
async fn hits(store: &SupabaseStore, name: &str, questions: &[(Vec<f32>, String)]) {
    let (mut exact, mut records, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for (question, _) in questions {
        let query = query(question);
        let began = Instant::now();
        store.find_exact(samples::exactly(query.scope, [9; 32])).await.expect("the project answers");
        exact.push(began.elapsed());
        let found = store.match_cache_entries(query).await.expect("the project answers");
        let record = samples::hit(&found[0].entry);
        let before = Instant::now();
        store.record_request(record, None).await.expect("the project answers");
        records.push(before.elapsed());
        whole.push(began.elapsed());
    }
    print(&format!("find_cache_entry, {name}"), exact);
    print(&format!("record_request, {name}"), records);
    print(&format!("a similar hit beside its embedding, {name}"), whole);
}

fn main() {
    let rows = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10_000_u64);
    let Some(stack) = stack::Stack::start(&["--users", "4"]) else { return };
    let most = rows * 6 / 10;
    let owner = |name, place, first, last| Owner { name, user: stack.user(place), first, last };
    let owners = [
        owner("90 rows", 0, 0, 89),
        owner("5,000 rows at most", 1, 90, 90 + (rows / 4).min(5_000) - 1),
        owner("60 % of the table", 2, rows - most, rows - 1),
        owner("the rest", 3, 90 + (rows / 4).min(5_000), rows - most - 1),
    ];
    let values: Vec<String> = owners
        .iter()
        .map(|owner| format!("({}::bigint, {}::bigint, '{}'::uuid)", owner.first, owner.last, owner.user.id))
        .collect();
    let began = Instant::now();
    let fill = FILL.replace("ROWS", &rows.to_string()).replace("OWNERS", &values.join(", "));
    // VACUUM does not run with others.
    for sql in [LAB, fill.as_str(), "vacuum analyze public.response_cache"] {
        stack.tell(&json!({ "sql": sql }));
    }
    println!("{rows} rows, in {:.0} s", began.elapsed().as_secs_f64());
    println!("the naive scan of all rows, in the database: p50 {} ms", stack.tell(&json!({ "sql": NAIVE })));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        for owner in &owners {
            let store: Arc<SupabaseStore> = owner.user.store(&folder.path().join(owner.name)).await;
            let questions = questions(&stack, owner);
            let name = format!("{} ({})", owner.name, owner.last + 1 - owner.first);
            let mut floor = Vec::new();
            for _ in 0..QUESTIONS {
                let began = Instant::now();
                store.has_outcomes().await.expect("the project answers");
                floor.push(began.elapsed());
            }
            print(&format!("the least of a call, {name}"), floor);
            search(&store, &name, &questions).await;
            hits(&store, &name, &questions).await;
        }
    });
}
