//! How long one text takes, by its length in word pieces.

use std::hint::black_box;
use std::path::PathBuf;

use ai_cost_optimizer::embed::Embedder;
use ai_cost_optimizer::embed::minilm::{DeviceChoice, MiniLm};
use ai_cost_optimizer::embed::weights::{ModelName, Reach, WeightsSource};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn embedding(criterion: &mut Criterion) {
    let source = WeightsSource {
        name: ModelName::minilm(),
        folder: None,
        data_dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join("test-model"),
    };
    let Ok(weights) = source.load(Reach::LocalOnly) else {
        return say_skipped();
    };
    let mut model = MiniLm::new(weights, DeviceChoice::Auto).expect("checked weights make a model");
    let mut group = criterion.benchmark_group("embedding");
    for tokens in [8, 32, 128, 256] {
        // Two of the word pieces are the special ones around the text.
        let text = "word ".repeat(tokens - 2);
        assert_eq!(model.embed(&text).expect("every text has an embedding").tokens, tokens);
        group.bench_with_input(BenchmarkId::from_parameter(tokens), &text, |bencher, text| {
            bencher.iter(|| model.embed(black_box(text)));
        });
    }
    group.finish();
}

#[expect(clippy::print_stderr, reason = "a bench has no log, and nobody else writes to its stderr")]
fn say_skipped() {
    eprintln!("skipped: no weights in target/test-model; hint: `cargo test --release --test it embedding`");
}

criterion_group!(benches, embedding);
criterion_main!(benches);
