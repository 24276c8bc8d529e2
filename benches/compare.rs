//! What a decision costs after the embedding: reading a prompt, the vetoes, and the whole comparison.

use std::hint::black_box;

use ai_cost_optimizer::cache::compare::{Prepared, compare, veto};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn comparing(criterion: &mut Criterion) {
    let long = |verb: &str| {
        let sentence = format!("When my card {verb} twice in Paris, who pays the 20 euro fee and how? ");
        sentence.repeat(16)
    };
    let pairs = [
        (
            "question",
            "How do I cancel my subscription?".to_owned(),
            "I'd like to end my subscription, how do I do that?".to_owned(),
        ),
        (
            "sentence",
            "I made a transfer to a friend in Germany last week and it still has not arrived, why?"
                .to_owned(),
            "Why has the money that I sent to my landlord in France a week ago not come through yet?"
                .to_owned(),
        ),
        ("240 words", long("fails"), long("works")),
    ];
    let mut group = criterion.benchmark_group("compare");
    for (name, left, right) in &pairs {
        let (left_text, right_text) = (Prepared::new(left), Prepared::new(right));
        group.bench_function(BenchmarkId::new("prepare", name), |bencher| {
            bencher.iter(|| Prepared::new(black_box(left)));
        });
        group.bench_function(BenchmarkId::new("veto", name), |bencher| {
            bencher.iter(|| veto(black_box(&left_text), black_box(&right_text)));
        });
        group.bench_function(BenchmarkId::new("compare", name), |bencher| {
            bencher.iter(|| compare(black_box(&left_text), black_box(&right_text), 0.9));
        });
    }
    group.finish();
}

criterion_group!(benches, comparing);
criterion_main!(benches);
