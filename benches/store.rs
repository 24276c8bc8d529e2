//! The local store: the search for a similar prompt, an exact lookup, and what a request writes.
//!
//! `cargo bench --bench store`; 10,000 cached answers in one scope, vectors spread over the sphere.

use std::hint::black_box;

use ai_cost_optimizer::domain::answer::{Attempt, AttemptOutcome};
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{CacheEntry, RequestRecord, ScopeHash, StoredEmbedding};
use ai_cost_optimizer::store::local::LocalStore;
use ai_cost_optimizer::store::{NearestQuery, Store};
use criterion::{Criterion, criterion_group, criterion_main};
use sha2::{Digest, Sha256};

#[path = "../tests/it/store/samples.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the tests use more of it, and may fail as tests do"
)]
mod samples;

const ENTRIES: u64 = 10_000;
const SCOPE: ScopeHash = ScopeHash([1; 32]);

/// A unit vector that depends on the seed alone.
fn vector(seed: u64) -> StoredEmbedding {
    let mut numbers: Vec<f32> = (0..DIMENSIONS as u64 / 32)
        .flat_map(|block| Sha256::digest([seed.to_le_bytes(), block.to_le_bytes()].concat()))
        .map(|byte| f32::from(byte) - 127.5)
        .collect();
    let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.iter_mut().for_each(|number| *number /= norm);
    let embedding = Embedding::new(numbers).expect("a vector over its own length is a unit vector");
    StoredEmbedding { fingerprint: "bench".into(), embedding }
}

/// An entry to a prompt of its own, of the usual length.
fn entry(seed: u64, bought_by: &RequestRecord) -> CacheEntry {
    CacheEntry {
        scope: SCOPE,
        prompt_sha256: Sha256::digest(seed.to_le_bytes()).into(),
        embedding: Some(vector(seed)),
        text: "an answer of the usual length ".repeat(20),
        ..samples::entry(1, 1, bought_by)
    }
}

fn store(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::new(folder.path().join("bench.sqlite3"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let now = samples::now();
    runtime.block_on(async {
        for seed in 0..ENTRIES {
            let bought_by = samples::record(1);
            let entry = entry(seed, &bought_by);
            store.record_request(bought_by, Some(entry)).await.expect("the store writes");
        }
    });
    let nearest =
        || NearestQuery { scope: SCOPE, embedding: vector(77), prompt_sha256: [7; 32], limit: 5, now };
    criterion.bench_function("store/nearest of 10,000", |bencher| {
        bencher.iter(|| {
            runtime.block_on(store.match_cache_entries(black_box(nearest()))).expect("the store reads")
        });
    });
    let hash: [u8; 32] = Sha256::digest(77_u64.to_le_bytes()).into();
    criterion.bench_function("store/exact of 10,000", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(store.find_exact(black_box(samples::exactly(SCOPE, hash))))
                .expect("the store reads")
        });
    });
    criterion.bench_function("store/record a request", |bencher| {
        bencher.iter(|| {
            runtime.block_on(store.record_request(samples::record(1), None)).expect("the store writes");
        });
    });
    let attempt = Attempt {
        reference: samples::model(),
        outcome: AttemptOutcome::Answered,
        cost: Some(Usd::ZERO),
        cost_estimated: false,
        latency_ms: 4,
    };
    criterion.bench_function("store/record a request to learn from", |bencher| {
        bencher.iter(|| {
            let record = RequestRecord { attempts: vec![attempt.clone()], ..samples::record(1) };
            let written = store.record_embedded(record, None, Some(vector(77)));
            runtime.block_on(written).expect("the store writes");
        });
    });
}

criterion_group!(benches, store);
criterion_main!(benches);
