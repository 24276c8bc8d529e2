//! ONNX Runtime on an exported model, with the tokenizer that the program uses.

use std::path::Path;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;
use tokenizers::{Tokenizer, TruncationParams};

use super::engine::Engine;

pub struct Onnx {
    name: String,
    session: Session,
    tokenizer: Tokenizer,
}

/// Loads the library of ONNX Runtime, which every engine of it shares.
pub fn environment(library: &str) -> Environment {
    ort::init_from(library).expect("a library of ONNX Runtime").build().expect("an environment")
}

impl Onnx {
    pub fn load(environment: &Environment, model: &Path, file: &Path, name: &str, threads: usize) -> Self {
        let session = Session::builder(environment)
            .and_then(|builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::Level3)?))
            .and_then(|builder| Ok(builder.with_intra_threads(threads)?))
            .and_then(|mut builder| builder.commit_from_file(file))
            .expect("an exported model");
        let mut tokenizer = Tokenizer::from_file(model.join("tokenizer.json")).expect("a tokenizer");
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: 256, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).expect("a limit that leaves room");
        Self { name: name.to_owned(), session, tokenizer }
    }
}

impl Engine for Onnx {
    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&mut self, text: &str) -> Option<f64> {
        let encoding = self.tokenizer.encode_fast(text, true).expect("every text has word pieces");
        let pieces: Vec<i64> = encoding.get_ids().iter().map(|piece| i64::from(*piece)).collect();
        let mask = vec![1_i64; pieces.len()];
        let shape = [1, pieces.len()];
        let inputs = ort::inputs![
            "input_ids" => Tensor::from_array((shape, pieces)).expect("one sequence"),
            "attention_mask" => Tensor::from_array((shape, mask)).expect("one sequence"),
        ];
        let outputs = self.session.run(inputs).expect("a vector");
        let (_, vector) = outputs["embedding"].try_extract_tensor::<f32>().expect("32-bit floats");
        assert_eq!(vector.len(), 384);
        None
    }

    fn embed_all(&mut self, texts: &[String]) -> Option<f64> {
        // One by one: it pads a batch, and its int8 vectors change with their batch mates.
        for text in texts {
            self.embed(text);
        }
        None
    }
}
