//! How long one text takes, by its length in word pieces; beside the CPU also on CUDA or Metal, where this build and
//! this machine have it.
//!
//! The devices take turns within one process, so that a busy moment meets them all. The program embeds one text at a
//! time; what a batch would bring is timed through candle directly and says so.
//!
//! Prints figures for the README; it asserts nothing, because machines differ. `cargo bench --bench embedding`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a bench prints its figures, and one whose own tables are of another shape has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ai_cost_optimizer::domain::embedding::Embedding;
use ai_cost_optimizer::embed::Embedder as _;
use ai_cost_optimizer::embed::choice::{DeviceChoice, EmbedderChoice};
use ai_cost_optimizer::embed::minilm::MiniLm;
use ai_cost_optimizer::embed::weights::{ModelName, Reach, WeightsSource};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;

const WORD_PIECES: [usize; 4] = [8, 32, 128, 256];
const ROUNDS: usize = 100;
const BLOCKS: usize = 3;
/// Texts of a block, and of a batch.
const TEXTS: usize = 64;

/// The program's embedder on one device, and what it could be with batches.
struct Engine {
    name: DeviceChoice,
    one: MiniLm,
    batch: BertModel,
    device: Device,
}

impl Engine {
    fn load(name: DeviceChoice, source: &WeightsSource) -> Self {
        let started = Instant::now();
        let device = name.open().expect("the device was there a moment ago");
        let opened = started.elapsed();
        let weights = source.load(Reach::LocalOnly).expect("the weights were there a moment ago");
        let folder = weights.folder.clone();
        let started = Instant::now();
        let mut one = MiniLm::new(&weights, EmbedderChoice { device: name, ..EmbedderChoice::default() })
            .expect("checked weights make a model");
        let loaded = started.elapsed();
        let started = Instant::now();
        one.embed("What is the capital of France?").expect("every text has an embedding");
        println!(
            "{name:<5} opens in {:.0} ms; the model is made in {:.0} ms, the first text takes {:.0} ms",
            opened.as_secs_f64() * 1e3,
            loaded.as_secs_f64() * 1e3,
            started.elapsed().as_secs_f64() * 1e3
        );
        Self { name, one, batch: bert(&folder, &device), device }
    }

    fn embed(&mut self, text: &str) -> Embedding {
        self.one.embed(text).expect("every text has an embedding").embedding
    }

    /// Embeds texts of equal length at once: no padding, so no mask.
    fn embed_batch(&self, ids: &[u32], texts: usize) -> Vec<Vec<f32>> {
        let embed = || -> candle_core::Result<_> {
            let ids = Tensor::new(ids, &self.device)?.reshape((texts, ()))?;
            let mean = self.batch.forward(&ids, &ids.zeros_like()?, None)?.mean(1)?;
            mean.broadcast_div(&mean.sqr()?.sum_keepdim(1)?.sqrt()?)?.to_vec2()
        };
        embed().expect("every text has an embedding")
    }
}

fn bert(folder: &Path, device: &Device) -> BertModel {
    let read = |file| fs::read(folder.join(file)).expect("the weights were there a moment ago");
    let config = serde_json::from_slice(&read("config.json")).expect("a configuration");
    VarBuilder::from_slice_safetensors(&read("model.safetensors"), DType::F32, device)
        .and_then(|tensors| BertModel::load(tensors, &config))
        .expect("checked weights make a model")
}

/// Times the work on each engine in turn; gives milliseconds by engine, in the order of the rounds.
fn in_turn(engines: &mut [Engine], rounds: usize, mut work: impl FnMut(&mut Engine)) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); engines.len()];
    for _ in 0..rounds {
        for (engine, times) in engines.iter_mut().zip(&mut times) {
            let started = Instant::now();
            work(engine);
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    times
}

fn quantile(times: &[f64], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

/// Prints times by engine; the CPU is the first, and each ratio is of one round.
fn report(what: &str, engines: &[Engine], times: &[Vec<f64>], texts: usize) {
    for (engine, of_engine) in engines.iter().zip(times) {
        let ratios: Vec<f64> = times[0].iter().zip(of_engine).map(|(cpu, other)| cpu / other).collect();
        let p50 = quantile(of_engine, 0.5);
        println!(
            "{what:<44} {:<5} p50 {p50:>9.3} ms  p99 {:>9.3} ms  {:>8.0} texts/s  cpu/this {:>6.2} ({:.2}-{:.2})",
            engine.name,
            quantile(of_engine, 0.99),
            texts as f64 / p50 * 1e3,
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.1),
            quantile(&ratios, 0.9)
        );
    }
}

/// A text and its vector in millionths, by sentence-transformers.
#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    millionths: Vec<f32>,
}

/// Prints how near the engines are to the reference vectors, and to the CPU's: least cosines, largest difference.
fn parity(engines: &mut [Engine]) {
    let json = include_str!("../tests/fixtures/embedding/parity.json");
    let references: Vec<Reference> = serde_json::from_str(json).expect("reference texts");
    let mut nearness = vec![(1.0_f32, 1.0_f32, 0.0_f32); engines.len()];
    for Reference { text, millionths } in &references {
        let numbers = millionths.iter().map(|number| number / 1e6).collect();
        let reference = Embedding::new(numbers).expect("a reference vector has length 1");
        let cpu = engines[0].embed(text);
        for (engine, (to_reference, to_cpu, difference)) in engines.iter_mut().zip(&mut nearness) {
            let embedding = engine.embed(text);
            *to_reference = to_reference.min(embedding.cosine(&reference));
            *to_cpu = to_cpu.min(embedding.cosine(&cpu));
            for (number, of_cpu) in embedding.as_slice().iter().zip(cpu.as_slice()) {
                *difference = difference.max((number - of_cpu).abs());
            }
        }
    }
    for (engine, (to_reference, to_cpu, difference)) in engines.iter().zip(nearness) {
        println!(
            "{:<5} {} texts: cosine at least {to_reference:.7} with the reference, {to_cpu:.7} with the cpu; \
             numbers differ from the cpu's by at most {difference:.1e}",
            engine.name,
            references.len()
        );
    }
}

/// The word pieces of `"word "` times `pieces - 2`, with the special ones around them.
fn ids(pieces: usize) -> Vec<u32> {
    [vec![101], vec![2_773; pieces - 2], vec![102]].concat()
}

fn main() {
    let source = WeightsSource {
        name: ModelName::minilm(),
        folder: None,
        data_dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join("test-model"),
    };
    if source.load(Reach::LocalOnly).is_err() {
        eprintln!(
            "skipped: no weights in target/test-model; hint: `cargo test --release --test it embedding`"
        );
        return;
    }
    let best = DeviceChoice::Auto.resolve().expect("there is always a device");
    let mut names = vec![DeviceChoice::Cpu, best];
    names.dedup();
    let mut engines: Vec<_> = names.into_iter().map(|name| Engine::load(name, &source)).collect();
    parity(&mut engines);
    for pieces in WORD_PIECES {
        let text = "word ".repeat(pieces - 2);
        let times = in_turn(&mut engines, ROUNDS, |engine| drop(engine.embed(&text)));
        report(&format!("{pieces} word pieces, one text"), &engines, &times, 1);
        let times = in_turn(&mut engines, BLOCKS, |engine| {
            (0..TEXTS).for_each(|_| drop(engine.embed(&text)));
        });
        report(&format!("{pieces} word pieces, {TEXTS} texts one by one"), &engines, &times, TEXTS);
        let ids = ids(pieces).repeat(TEXTS);
        for engine in &mut engines {
            let last = engine.embed_batch(&ids, TEXTS).pop().and_then(|numbers| Embedding::new(numbers).ok());
            let cosine = last.expect("a batch gives embeddings").cosine(&engine.embed(&text));
            assert!(cosine > 0.999_99, "a batch is the same work, but its cosine is {cosine}");
        }
        let times = in_turn(&mut engines, BLOCKS, |engine| drop(engine.embed_batch(&ids, TEXTS)));
        report(&format!("{pieces} word pieces, candle: a batch of {TEXTS}"), &engines, &times, TEXTS);
    }
}
