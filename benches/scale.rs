//! One user's store at its intended size: 100,000 cached answers in one scope and 1,000,000 requests.
//!
//! `cargo bench --bench scale`. The first run builds the store through its own tables and triggers, which takes a
//! minute or two, and keeps it beside the build. Prints figures for the README; it asserts nothing, because
//! machines differ.

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ai_cost_optimizer::cache::admission::{DEFAULT_ERROR_RATE, NEIGHBOURS};
use ai_cost_optimizer::cache::answers::are_equal;
use ai_cost_optimizer::cache::betting::Weight;
use ai_cost_optimizer::cache::calibration::Calibration;
use ai_cost_optimizer::cache::compare::Conversation;
use ai_cost_optimizer::cache::decision::candidate;
use ai_cost_optimizer::domain::embedding::Embedding;
use ai_cost_optimizer::domain::evidence::EvidenceKey;
use ai_cost_optimizer::domain::outcome::OutcomeQuery;
use ai_cost_optimizer::domain::record::{ScopeHash, StoredEmbedding};
use ai_cost_optimizer::domain::report::{GroupBy, ReportQuery};
use ai_cost_optimizer::store::local::{LocalStore, SCHEMA_VERSION};
use ai_cost_optimizer::store::{NearestQuery, Store};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use strum::VariantArray as _;

#[path = "../tests/it/store/samples.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the tests use more of it, and may fail as tests do"
)]
mod samples;

const ENTRIES: u64 = 100_000;
const REQUESTS: i64 = 1_000_000;
/// The requests are spread over this time.
const DAYS: i64 = 365;
/// As many as the store keeps.
const OUTCOMES: u64 = 20_000;
const SCOPE: [u8; 32] = [1; 32];
const CLUSTERS: u64 = 200;
const LOOKUPS: u64 = 400;

/// Numbers that depend on the seed alone (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Draws about from the normal distribution.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum::<f32>() * 1.73
    }

    fn direction(&mut self) -> Vec<f32> {
        (0..384).map(|_| self.normal()).collect()
    }
}

fn unit(numbers: &[f32]) -> Vec<f32> {
    let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.iter().map(|number| number / norm).collect()
}

/// A vector of a cluster; two of one cluster have a cosine of about 0.75.
fn vector(seed: u64) -> Vec<f32> {
    let centre = Draw(seed % CLUSTERS).direction();
    let own = Draw(1_000_000 + seed).direction();
    unit(&centre.iter().zip(&own).map(|(centre, own)| centre + 0.577 * own).collect::<Vec<_>>())
}

/// A prompt whose cosine with the vector of a seed is about 0.94.
fn near(seed: u64) -> StoredEmbedding {
    let other = unit(&Draw(9_000_000 + seed).direction());
    let numbers: Vec<f32> = vector(seed).iter().zip(&other).map(|(own, other)| own + 0.363 * other).collect();
    let embedding = Embedding::new(unit(&numbers)).expect("a vector over its length is a unit vector");
    StoredEmbedding { fingerprint: "bench".into(), embedding }
}

/// The vector of a seed as SQLite keeps it.
fn bytes_of(seed: u64) -> Vec<u8> {
    vector(seed).iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn prompt_sha256(seed: u64) -> [u8; 32] {
    let mut draw = Draw(seed);
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&draw.next().to_le_bytes()));
    bytes
}

const REQUEST: &str = "insert into requests (
    user_id, id, created_at, status, prompt_sha256, tags, quality, strategy, complexity_score, complexity_tier,
    confidence, reason, source, provider, model, input_tokens, output_tokens, cost_pico, worst_case_pico,
    baseline_provider, baseline_model, baseline_cost_pico, saved_pico, latency_ms, provider_latency_ms, finish_reason,
    attempts)
    values ('00000000-0000-0000-0000-000000000001', ?1, ?2, 'completed', ?3, ?4, 'balanced', ?5, 0.4, 'moderate',
    'medium', ?6, ?7, ?8, ?9, 210, 320, ?10, 9000000000, 'anthropic', 'claude-opus-5-5', ?11, ?11 - ?10, 900, 890, 'stop',
    ?12)";

const ENTRY: &str = "insert into response_cache (
    user_id, id, scope_hash, prompt_sha256, embedder_fingerprint, embedding, response_text, provider, model, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, finish_reason, request_id,
    created_at, expires_at, prompt_text)
    values ('00000000-0000-0000-0000-000000000001', ?1, ?2, ?3, 'bench', ?4, ?5, 'anthropic', 'claude-haiku-5-5', 210, 0, 0,
    320, 0, 5000000, 'stop', ?6, ?7, ?7 + 31536000000000, ?8)";

const OUTCOME: &str = "insert into routing_feedback (
    user_id, request_id, provider, model, embedder_fingerprint, embedding, score, source, created_at, scored_number)
    values ('00000000-0000-0000-0000-000000000001', ?1, 'anthropic', 'claude-haiku-5-5', 'bench', ?2, ?3, 'rating', ?4, ?5)";

/// The prompt of a seed: a sentence, alike in a cluster.
fn prompt_of(seed: u64) -> String {
    let (product, thing) = (seed % CLUSTERS, seed / CLUSTERS);
    format!(
        "I bought product {product} in Lisbon last spring and it still shows fault {thing}, how do I get it repaired?"
    )
}

/// Writes rows past the store's own functions, but through its tables and triggers.
fn build(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "off")?;
    let transaction = connection.transaction()?;
    let models = [
        ("anthropic", "claude-haiku-5-5"),
        ("anthropic", "claude-sonnet-5-5"),
        ("gemini", "gemini-2.5-flash-lite"),
        ("gemini", "gemini-3.8-flash"),
        ("cerebras", "gpt-oss-120b"),
        ("openrouter", "z-ai/glm-5.2"),
    ];
    let reason = "looks moderate (0.41: 34 words, 1 reasoning words); quality balanced asks for tier balanced; \
                  anthropic/claude-sonnet-5-5 is chosen: the cheapest of 4 that reach it, about $0.0021; next is another";
    let id = |kind: u64, number: u64| format!("{number:08x}-0000-7000-8000-{:012x}", kind << 32 | number);
    let mut draw = Draw(7);
    {
        let mut request = transaction.prepare(REQUEST)?;
        let start = samples::now().as_microsecond();
        for number in 0..REQUESTS {
            let (provider, model) = models[draw.next() as usize % models.len()];
            let strategy = ["hybrid", "hybrid", "complexity"][draw.next() as usize % 3];
            let source = ["provider", "provider", "cache_exact", "cache_semantic"][draw.next() as usize % 4];
            let tags = ["[]", "[]", r#"["work"]"#, r#"["work","docs"]"#][draw.next() as usize % 4];
            let attempts = format!(
                r#"[{{"provider":"{provider}","model":"{model}","outcome":"answered","cost_pico":1,"cost_estimated":false,"latency_ms":9}}]"#
            );
            let cost = (draw.next() % 3_000_000_000) as i64;
            let at = start + number * (DAYS * 86_400_000_000 / REQUESTS);
            let number = number.unsigned_abs();
            request.execute(params![
                id(1, number),
                at,
                prompt_sha256(number),
                tags,
                strategy,
                reason,
                source,
                provider,
                model,
                cost,
                cost * 4,
                attempts
            ])?;
        }
        let mut entry = transaction.prepare(ENTRY)?;
        let text = "an answer of the usual length ".repeat(20);
        for number in 0..ENTRIES {
            entry.execute(params![
                id(2, number),
                SCOPE,
                prompt_sha256(number),
                bytes_of(number),
                text,
                id(1, number),
                start,
                prompt_of(number)
            ])?;
        }
        let mut outcome = transaction.prepare(OUTCOME)?;
        for number in 0..OUTCOMES {
            let score = (number % 4).min(1) as f64;
            outcome.execute(params![id(1, number), bytes_of(number), score, start, number as i64 + 1])?;
        }
    }
    transaction.commit()
}

/// Prints the middle and the slow end of some times.
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what:<40} p50 {:>8.3} ms   p95 {:>8.3} ms   max {:>8.3} ms", at(0.5), at(0.95), at(1.0));
}

/// Reads how much memory this process has (Linux; elsewhere nothing is known), in MB.
fn memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib * 1_024.0 / 1e6)
}

/// Searches the answer nearest to a prompt that is near the one of a seed; says whether it was found.
async fn search(store: &LocalStore, seed: u64) -> bool {
    let scope = ScopeHash(SCOPE);
    let query = NearestQuery {
        scope,
        embedding: near(seed),
        prompt_sha256: prompt_sha256(seed),
        limit: 5,
        now: samples::later(1),
    };
    let neighbours = store.match_cache_entries(query).await.expect("the store reads");
    neighbours.first().is_some_and(|nearest| nearest.entry.prompt_sha256 == prompt_sha256(seed))
}

/// Does all that the cache does between the embedding and the answer: finds the nearest prompts, compares them, reads
/// the scope's labels and judges; says whether there was anything to judge.
async fn decide(store: &LocalStore, seed: u64) -> bool {
    let scope = ScopeHash(SCOPE);
    let query = NearestQuery {
        scope,
        embedding: near(seed),
        prompt_sha256: [0; 32],
        limit: NEIGHBOURS,
        now: samples::later(1),
    };
    let neighbours = store.match_cache_entries(query).await.expect("the store reads");
    let chosen = candidate(&Conversation::read(&prompt_of(seed)), &neighbours, are_equal);
    let key = EvidenceKey { scope, fingerprint: "bench".into() };
    let known =
        Calibration::read(DEFAULT_ERROR_RATE, &store.cache_evidence(key).await.expect("the store reads"));
    chosen
        .zip(known.threshold())
        .is_some_and(|(chosen, threshold)| threshold.serves(chosen.scores.cell(Weight::WHOLE)))
}

/// Finds the answer to the prompt of a seed; says whether it was found.
async fn find(store: &LocalStore, seed: u64) -> bool {
    let found = store.find_exact(samples::exactly(ScopeHash(SCOPE), prompt_sha256(seed))).await;
    found.expect("the store reads").is_some()
}

async fn lookups(store: &LocalStore) {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let (mut found, mut served) = (0, 0);
    for seed in (0..LOOKUPS).map(|number| number * (ENTRIES / LOOKUPS)) {
        let started = Instant::now();
        found += u64::from(find(store, seed).await);
        times[0].push(started.elapsed());
        let started = Instant::now();
        found += u64::from(search(store, seed).await);
        times[1].push(started.elapsed());
        let started = Instant::now();
        served += u64::from(decide(store, seed).await);
        times[2].push(started.elapsed());
    }
    let [exact, nearest, decision] = times;
    print("exact lookup", exact);
    print("nearest of 100,000", nearest);
    print("decision after the embedding", decision);
    println!("{:<40} {found} of {}", "found what was sought", 2 * LOOKUPS);
    println!("{:<40} {served} of {LOOKUPS}", "would be served");
}

async fn evidence(store: &LocalStore) {
    let mut times = Vec::new();
    for seed in 0..100 {
        let query = OutcomeQuery { embedding: near(seed), limit: 200, now: samples::later(1) };
        let started = Instant::now();
        let found = store.nearest_outcomes(query).await.expect("the store reads");
        times.push(started.elapsed());
        assert_eq!(found.len(), 200);
    }
    print("first outcomes, which reads them all", vec![times.remove(0)]);
    print("nearest 200 of 20,000 outcomes", times);
}

async fn reports(store: &LocalStore) {
    let day = 86_400;
    let periods = [
        ("all time", Timestamp::UNIX_EPOCH, Timestamp::MAX),
        ("30 days, to the second", samples::later(200 * day + 12_345), samples::later(230 * day + 6_789)),
        ("within one day", samples::later(100 * day + 1_801), samples::later(100 * day + 70_000)),
        ("within one hour", samples::later(100 * day + 1_801), samples::later(100 * day + 3_000)),
    ];
    for (name, from, to) in periods {
        for group_by in [None].into_iter().chain(GroupBy::VARIANTS.iter().copied().map(Some)) {
            let mut times = Vec::new();
            for _ in 0..20 {
                let started = Instant::now();
                store.cost_report(ReportQuery { from, to, group_by }).await.expect("the store sums");
                times.push(started.elapsed());
            }
            let by = group_by.map_or_else(|| "nothing".to_owned(), |group_by| group_by.to_string());
            print(&format!("report of {name} by {by}"), times);
        }
    }
}

async fn measure(full: &Path, empty: &Path) {
    let store = LocalStore::new(empty.to_owned());
    search(&store, 0).await;
    store
        .cost_report(ReportQuery { from: samples::now(), to: samples::now(), group_by: None })
        .await
        .expect("a report");
    let before = memory_mb();
    drop(store);
    let mut opened = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        for (path, times) in [empty, full].into_iter().zip(&mut opened) {
            let started = Instant::now();
            find(&LocalStore::new(path.to_owned()), 1).await;
            times.push(started.elapsed());
        }
    }
    let [of_empty, of_full] = opened;
    print("open an empty store and look up", of_empty);
    print("open the full one and look up", of_full);
    let store = LocalStore::new(full.to_owned());
    let started = Instant::now();
    search(&store, 0).await;
    print("first search, which reads the scope", vec![started.elapsed()]);
    lookups(&store).await;
    evidence(&store).await;
    reports(&store).await;
    if let (Some(before), Some(after)) = (before, memory_mb()) {
        println!("{:<40} {:.1} MB", "memory above the same with an empty store", after - before);
    }
}

fn main() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let full = folder.join(format!("scale-{SCHEMA_VERSION}.sqlite3"));
    let empty = tempfile::tempdir().expect("a folder");
    let empty = empty.path().join("empty.sqlite3");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if !full.is_file() {
        let started = Instant::now();
        let unfinished = full.with_extension("unfinished");
        let _ = std::fs::remove_file(&unfinished);
        runtime.block_on(find(&LocalStore::new(unfinished.clone()), 0));
        build(&unfinished).expect("the rows are written");
        std::fs::rename(&unfinished, &full).expect("the file gets its name");
        println!("built {} in {:.0} s", full.display(), started.elapsed().as_secs_f64());
    }
    runtime.block_on(measure(&full, &empty));
}
