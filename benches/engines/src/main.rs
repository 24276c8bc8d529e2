//! MiniLM by our engine, Candle, ONNX Runtime and sentence-transformers: the same texts, in turn, in one run.
//!
//! `engines MODEL_FOLDER ONNX_FOLDER PYTHON` prints, for one thread and for two, medians, their ratios to
//! ours, and the share of the machine's measured peak; then how long each takes from its start to its first
//! vector. A text is timed after a rest, and once more at once. Built with `--features cuda`, Candle on a GPU takes part. ONNX_FOLDER is what `export.py` made, PYTHON has onnxruntime and sentence-transformers. Each
//! number of threads has a process of its own, since Candle's is fixed by the environment. It asserts
//! nothing, because machines differ.

mod engine;
mod onnx;
mod peak;
mod python;

use std::cell::OnceCell;
use std::env;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ai_cost_optimizer::embed::choice::{DeviceChoice, EmbedderChoice, EngineChoice};
use ai_cost_optimizer::embed::fused::Precision;
use ort::environment::Environment;

use engine::{Engine, Own};

const WORD_PIECES: [usize; 4] = [8, 32, 128, 256];
const ROUNDS: usize = 41;
const BATCHES: usize = 5;
const TEXTS: usize = 64;
const STARTS: usize = 11;
const PAUSE: Duration = Duration::from_millis(20);

/// Where ONNX Runtime is, if that need not be asked.
const LIBRARY: &str = "ORT_DYLIB_PATH";

/// All engines, ours first.
const ENGINES: &[&str] = &[
    "ours f32",
    "ours bf16",
    "ours int8",
    "candle",
    "ORT fp32",
    "ORT int8",
    "sentence-transformers",
    #[cfg(feature = "cuda")]
    "candle on the GPU",
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [model, onnx, python] => {
            for threads in ["1", "2"] {
                let status = this_program([model, onnx, python, threads], threads).status();
                assert!(status.expect("this program starts").success());
            }
            measure_starts([model, onnx, python]);
        }
        [model, onnx, python, threads] => {
            let places = Places::new(model, onnx, python);
            measure(&places, threads.parse().expect("a number of threads"));
        }
        [model, onnx, python, first, name] if first == "first" => {
            Places::new(model, onnx, python).load(name, 1).embed("the first text of all");
        }
        _ => panic!("engines MODEL_FOLDER ONNX_FOLDER PYTHON"),
    }
}

fn this_program<const N: usize>(arguments: [&str; N], threads: &str) -> Command {
    let mut child = Command::new(env::current_exe().expect("a program knows itself"));
    child.args(arguments).env("RAYON_NUM_THREADS", threads).env("OMP_NUM_THREADS", threads);
    child
}

/// Where everything is that engines are made from.
struct Places<'a> {
    model: &'a Path,
    onnx: &'a Path,
    python: &'a str,
    environment: OnceCell<Environment>,
}

impl<'a> Places<'a> {
    fn new(model: &'a str, onnx: &'a str, python: &'a str) -> Self {
        let (model, onnx) = (Path::new(model), Path::new(onnx));
        Self { model, onnx, python, environment: OnceCell::new() }
    }

    fn load(&self, name: &str, threads: usize) -> Box<dyn Engine> {
        let own = |device, engine, precision| {
            let choice = EmbedderChoice { device, engine, precision };
            Box::new(Own::load(self.model, name, choice, threads))
        };
        let ort = |file: &str| {
            let library =
                || env::var(LIBRARY).unwrap_or_else(|_| python::library_of_onnx_runtime(self.python));
            let environment = self.environment.get_or_init(|| onnx::environment(&library()));
            Box::new(onnx::Onnx::load(environment, self.model, &self.onnx.join(file), name, threads))
        };
        match name {
            "ours f32" => own(DeviceChoice::Cpu, EngineChoice::Auto, Precision::F32),
            "ours bf16" => own(DeviceChoice::Cpu, EngineChoice::Auto, Precision::Bf16),
            "ours int8" => own(DeviceChoice::Cpu, EngineChoice::Auto, Precision::Int8),
            "candle" => own(DeviceChoice::Cpu, EngineChoice::Candle, Precision::F32),
            "candle on the GPU" => own(DeviceChoice::Cuda, EngineChoice::Candle, Precision::F32),
            "ORT fp32" => ort("f32.onnx"),
            "ORT int8" => ort("int8.onnx"),
            _ => Box::new(python::SentenceTransformers::start(self.python, self.model, threads)),
        }
    }
}

/// Times whole processes from their start to their first vector and end, each engine in turn.
fn measure_starts(places: [&str; 3]) {
    let [model, onnx, python] = places;
    let library = python::library_of_onnx_runtime(python);
    let mut times = vec![Vec::new(); ENGINES.len()];
    for _ in 0..STARTS {
        for (name, times) in ENGINES.iter().zip(&mut times) {
            let started = Instant::now();
            let mut child = this_program([model, onnx, python, "first", name], "2");
            let status = child.env(LIBRARY, &library).status();
            assert!(status.expect("this program starts").success());
            times.push(started.elapsed().as_secs_f64());
        }
    }
    for (name, times) in ENGINES.iter().zip(&mut times) {
        println!("{:<20} {name:<22} p50 {:>9.2} ms", "start to first vector", median(times) * 1e3);
    }
}

fn measure(places: &Places<'_>, threads: usize) {
    let peak = peak::floating_point_operations_per_s();
    println!("threads: {threads}; peak of one: {:.0} GFLOP/s in 32-bit floats", peak / 1e9);
    let mut engines: Vec<Box<dyn Engine>> = ENGINES.iter().map(|name| places.load(name, threads)).collect();
    for pieces in WORD_PIECES {
        let text = "word ".repeat(pieces - 2);
        let times = in_turn(&mut engines, (ROUNDS, 2), |engine| engine.embed(&text));
        let least = operations(pieces) / (peak * threads as f64);
        for (mut times, how) in times.into_iter().zip(["rested", "at once"]) {
            report(&format!("{pieces} word pieces, {how}"), &engines, &mut times, least);
        }
    }
    let texts: Vec<String> = (0..TEXTS).map(|at| "word ".repeat([6, 14, 30, 62, 126, 254][at % 6])).collect();
    let all: usize = texts.len();
    let work: f64 = texts.iter().map(|text| operations(text.len() / 5 + 2)).sum();
    let times = in_turn(&mut engines, (BATCHES, 1), |engine| engine.embed_all(&texts));
    for mut times in times {
        report(&format!("{all} texts of 8 to 256"), &engines, &mut times, work / (peak * threads as f64));
    }
}

/// Gives the floating-point operations that a sequence takes: its matrices and its attention.
fn operations(pieces: usize) -> f64 {
    let pieces = pieces as f64;
    let weights = 6.0 * 12.0 * 384.0 * 384.0;
    2.0 * weights * pieces + 6.0 * 4.0 * 384.0 * pieces * pieces
}

/// Times the work on each engine in turn, after one round that does not count; gives seconds by how often the
/// engine has done it since its rest, then by engine.
fn in_turn(
    engines: &mut [Box<dyn Engine>],
    (rounds, at_once): (usize, usize),
    work: impl Fn(&mut dyn Engine) -> Option<f64>,
) -> Vec<Vec<Vec<f64>>> {
    let mut times = vec![vec![Vec::new(); engines.len()]; at_once];
    for round in 0..=rounds {
        for (at, engine) in engines.iter_mut().enumerate() {
            // Until the threads of the engine before no longer look for work.
            thread::sleep(PAUSE);
            for times in &mut times {
                let started = Instant::now();
                let of_its_own = work(engine.as_mut());
                let time = of_its_own.unwrap_or_else(|| started.elapsed().as_secs_f64());
                if round > 0 {
                    times[at].push(time);
                }
            }
        }
    }
    times
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints an engine a line: its median and fastest time, and ours in its terms, as ratios of medians.
fn report(what: &str, engines: &[Box<dyn Engine>], times: &mut [Vec<f64>], least: f64) {
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for ((engine, times), median) in engines.iter().zip(times).zip(&medians) {
        let ratios: Vec<String> =
            medians.iter().take(3).map(|ours| format!("{:.2}", ours / median)).collect();
        println!(
            "{what:<26} {:<22} p50 {:>9.2} ms  least {:>9.2} ms  of the f32 peak {:.2}  ours f32/bf16/int8 to it {}",
            engine.name(),
            median * 1e3,
            times[0] * 1e3,
            least / median,
            ratios.join(" ")
        );
    }
}
