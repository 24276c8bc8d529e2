//! The files of a model folder that a user named: none of MiniLM's, whose hashes are known, but anybody's.
//!
//! The first byte says which file the rest is: `c` config.json, `t` tokenizer.json, `s` model.safetensors. The other
//! two are those of a model that knows six words: of one layer for a config.json, of none for the others, which are
//! read the same and a hundred times as fast.

use std::path::Path;

use ai_cost_optimizer::embed::choice::EmbedderChoice;
use ai_cost_optimizer::embed::minilm::MiniLm;
use ai_cost_optimizer::embed::weights::{ModelName, Weights};
use ai_cost_optimizer::embed::{EmbedError, Embedder as _};
use serde_json::json;

use super::wire::Wire;

const HIDDEN: usize = 384;
const INNER: usize = 4;
const POSITIONS: usize = 8;
const WORDS: [&str; 6] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "world"];

/// Files: they are a model that embeds, or an error names their folder.
pub(super) fn model_files(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let name = match kind {
        b'c' => "config.json",
        b't' => "tokenizer.json",
        b's' => "model.safetensors",
        _ => return,
    };
    // Of this normalizer the crate `tokenizers` panics where its table is none. Whoever loads a model catches that, and
    // libFuzzer lets nobody catch anything.
    if bytes.windows(11).any(|eleven| eleven == b"Precompiled") {
        return;
    }
    Wire::with(|wire| {
        let layers = usize::from(*kind == b'c');
        let folder = wire.folder.path().join(format!("model of {layers} layers"));
        if !folder.exists() {
            std::fs::create_dir(&folder).expect("a folder can be made");
            write(&folder, "config.json", config(layers).to_string().as_bytes());
            write(&folder, "tokenizer.json", tokenizer().to_string().as_bytes());
            write(&folder, "model.safetensors", &tensors(layers));
            // The folder holds a model, or nothing below would be tested.
            let mut model = read(&folder).expect("it is a model");
            model.embed("hello world").expect("it embeds");
        }
        let before = std::fs::read(folder.join(name)).expect("it is there");
        write(&folder, name, bytes);
        match read(&folder) {
            Ok(mut model) => drop(model.embed("hello there, world")),
            Err(error) => assert!(error.to_string().contains("hint:"), "{error}"),
        }
        write(&folder, name, &before);
    });
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("a file can be written");
}

fn read(folder: &Path) -> Result<MiniLm, EmbedError> {
    let name = ModelName::new("somebody/model").expect("it is a name");
    MiniLm::new(&Weights::read(&name, folder)?, EmbedderChoice::default())
}

fn config(layers: usize) -> serde_json::Value {
    json!({
        "vocab_size": WORDS.len(), "hidden_size": HIDDEN, "num_hidden_layers": layers, "num_attention_heads": 12,
        "intermediate_size": INNER, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
    })
}

fn tokenizer() -> serde_json::Value {
    let vocab: serde_json::Map<_, _> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
    })
}

/// Writes tensors as safetensors does: the length of the head, the head, the numbers.
fn tensors(layers: usize) -> Vec<u8> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: &str, shape: &[usize]| shapes.push((name.to_owned(), shape.to_vec()));
    add("embeddings.word_embeddings.weight", &[WORDS.len(), HIDDEN]);
    add("embeddings.position_embeddings.weight", &[POSITIONS, HIDDEN]);
    add("embeddings.token_type_embeddings.weight", &[2, HIDDEN]);
    let normed = |add: &mut dyn FnMut(&str, &[usize]), part: &str| {
        add(&format!("{part}.weight"), &[HIDDEN]);
        add(&format!("{part}.bias"), &[HIDDEN]);
    };
    normed(&mut add, "embeddings.LayerNorm");
    for layer in 0..layers {
        let part = |name: &str| format!("encoder.layer.{layer}.{name}");
        for (name, shape) in [
            ("attention.self.query", [HIDDEN, HIDDEN]),
            ("attention.self.key", [HIDDEN, HIDDEN]),
            ("attention.self.value", [HIDDEN, HIDDEN]),
            ("attention.output.dense", [HIDDEN, HIDDEN]),
            ("intermediate.dense", [INNER, HIDDEN]),
            ("output.dense", [HIDDEN, INNER]),
        ] {
            add(&format!("{}.weight", part(name)), &shape);
            add(&format!("{}.bias", part(name)), &shape[..1]);
        }
        normed(&mut add, &part("attention.output.LayerNorm"));
        normed(&mut add, &part("output.LayerNorm"));
    }
    let (mut head, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in shapes {
        let start = numbers.len();
        let count: usize = shape.iter().product();
        // Numbers that differ, so that no length is 0.
        numbers.extend((0..count).flat_map(|place| (((place % 7) as f32 - 2.5) / 50.0).to_le_bytes()));
        head.insert(name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, numbers.len()] }));
    }
    let head = serde_json::Value::Object(head).to_string();
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend(numbers);
    bytes
}
