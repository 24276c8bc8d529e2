//! all-MiniLM-L6-v2 (or another BERT of 384 dimensions): text in, embedding out.
//!
//! It does what sentence-transformers does: the first 256 word pieces, mean over them, length 1. It
//! does not find the weights and keeps no queue. Invariant: nothing is ever padded, and a text's
//! embedding does not depend on the texts beside it.
//!
//! Of a long text the start is read and the cut is reported: the cache then serves nothing similar,
//! and routing asks again with the part that holds the question (`routing::focus`).

use std::fmt;
use std::sync::Arc;
use std::thread;

use candle_transformers::models::bert::Config;
use serde_json::Value;
use tokenizers::{Encoding, PostProcessor as _, Tokenizer, TruncationParams};

use super::choice::EmbedderChoice;
use super::engine::Engine;
use super::weights::Weights;
use super::{EmbedError, Embedded, Embedder};
use crate::domain::embedding::{DIMENSIONS, Embedding};

/// Word pieces that the model reads, special tokens included; what follows is cut.
pub const READ_LIMIT: usize = 256;

/// Bytes of a text that are tokenized at first: more than 256 word pieces in most languages.
const FIRST_BYTES: usize = 8 * 1_024;

/// A BERT encoder with its tokenizer.
pub struct MiniLm {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    unknown_id: Option<u32>,
    fingerprint: String,
}

impl MiniLm {
    /// Builds the model.
    ///
    /// Blocks for about 0.1 s; on a GPU whose driver does not know the kernels yet, for many seconds.
    ///
    /// # Errors
    /// [`EmbedError::Unavailable`] if the files are no BERT of 384 dimensions, or the device is not there.
    pub fn new(weights: &Weights, choice: EmbedderChoice) -> Result<Self, EmbedError> {
        let unusable = |reason: String| {
            EmbedError::Unavailable(format!(
                "the embedding model in {} cannot be used: {reason}; \
                 hint: check EMBEDDING_MODEL_NAME and EMBEDDING_DEVICE",
                weights.folder.display()
            ))
        };
        choice.check()?;
        let device = choice.device.open()?;
        let config: Config =
            serde_json::from_slice(&weights.config).map_err(|error| unusable(error.to_string()))?;
        if config.hidden_size != DIMENSIONS {
            return Err(unusable(format!("it has {} dimensions, not {DIMENSIONS}", config.hidden_size)));
        }
        // Candle divides by it without a look.
        if config.num_attention_heads == 0 {
            return Err(unusable("it has no attention heads".to_owned()));
        }
        let read_limit = READ_LIMIT.min(config.max_position_embeddings);
        // Each takes tens of milliseconds, and the first prompt waits for both.
        let (tokenizer, engine) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| tokenizer_for_one(&weights.tokenizer, read_limit));
            let engine = Engine::load(weights, &config, read_limit, (choice, device));
            (tokenizer.join(), engine)
        });
        let tokenizer = tokenizer.map_err(|_| unusable("its tokenizer cannot be read".to_owned()))?;
        let tokenizer = tokenizer.map_err(|error| unusable(error.to_string()))?;
        let engine = engine.map_err(unusable)?;
        tracing::debug!(engine = %engine.name(), precision = %choice.precision, "the embedding model is in memory");
        Ok(Self {
            engine,
            unknown_id: tokenizer.token_to_id("[UNK]"),
            tokenizer: Arc::new(tokenizer),
            fingerprint: format!(
                "{}@{}/{}/mean/{read_limit}",
                weights.name.short(),
                weights.revision,
                choice.precision
            ),
        })
    }

    /// Tokenizes a text, or as much of it as the model reads.
    ///
    /// A prompt may be a thousand times as long, and tokenizing all of it would take longer than embedding
    /// it. Its first part gives the same word pieces, if it ends between words and has too many.
    fn tokenize(&self, text: &str) -> Result<Encoding, EmbedError> {
        // The error does not repeat the text: the tokenizer reports about itself.
        let encode = |text: &str| {
            self.tokenizer.encode_fast(text, true).map_err(|error| EmbedError::Failed(error.to_string()))
        };
        let mut bytes = FIRST_BYTES;
        while let Some(end) = text.as_bytes().get(bytes..).and_then(|rest| {
            let space = rest.iter().position(|byte| byte.is_ascii_whitespace())?;
            Some(bytes + space)
        }) {
            let encoding = encode(text.get(..end).unwrap_or(text))?;
            if !encoding.get_overflowing().is_empty() {
                return Ok(encoding);
            }
            bytes = end.saturating_mul(4);
        }
        encode(text)
    }

    fn embedded(&self, encoding: &Encoding, numbers: Vec<f32>) -> Result<Embedded, EmbedError> {
        Ok(Embedded {
            embedding: Embedding::new(numbers).map_err(|error| EmbedError::Failed(error.to_string()))?,
            tokens: encoding.len(),
            truncated: !encoding.get_overflowing().is_empty(),
            unknown_share: unknown_share(encoding, self.unknown_id),
        })
    }
}

impl Embedder for MiniLm {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn embed(&mut self, text: &str) -> Result<Embedded, EmbedError> {
        let encoding = self.tokenize(text)?;
        let numbers = self.engine.encode(&[encoding.get_ids()]).map_err(EmbedError::Failed)?;
        let numbers = numbers.into_iter().next().unwrap_or_default();
        self.embedded(&encoding, numbers)
    }

    fn embed_all(&mut self, texts: &[&str]) -> Vec<Result<Embedded, EmbedError>> {
        let encodings: Result<Vec<_>, _> = texts.iter().map(|text| self.tokenize(text)).collect();
        let together = encodings.and_then(|encodings| {
            let sequences: Vec<_> = encodings.iter().map(Encoding::get_ids).collect();
            let vectors = self.engine.encode(&sequences).map_err(EmbedError::Failed)?;
            Ok(encodings
                .iter()
                .zip(vectors)
                .map(|(encoding, numbers)| self.embedded(encoding, numbers))
                .collect())
        });
        // One that fails must not fail the others.
        together.unwrap_or_else(|_| texts.iter().map(|text| self.embed(text)).collect())
    }

    fn another(&self) -> Option<Box<dyn Embedder>> {
        Some(Box::new(Self {
            engine: self.engine.another()?,
            tokenizer: Arc::clone(&self.tokenizer),
            unknown_id: self.unknown_id,
            fingerprint: self.fingerprint.clone(),
        }))
    }
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Reads a tokenizer; the file of MiniLM pads to 128 and cuts at 128, which is not what we want.
fn tokenizer_for_one(json: &[u8], read_limit: usize) -> tokenizers::Result<Tokenizer> {
    // The crate panics where the part about its decoder is no JSON.
    serde_json::from_slice::<Value>(json)?;
    let mut tokenizer = Tokenizer::from_bytes(json)?;
    // Nor does it look before it subtracts the special tokens from the limit.
    let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
    if special >= read_limit {
        return Err(format!("it adds {special} special tokens to a text of at most {read_limit}").into());
    }
    tokenizer.with_padding(None);
    tokenizer.with_truncation(Some(TruncationParams { max_length: read_limit, ..Default::default() }))?;
    Ok(tokenizer)
}

/// Gives the share of word pieces outside the vocabulary, special tokens aside; 0 for an empty text.
fn unknown_share(encoding: &Encoding, unknown_id: Option<u32>) -> f64 {
    let (mut pieces, mut unknown) = (0_u32, 0_u32);
    for (id, special) in encoding.get_ids().iter().zip(encoding.get_special_tokens_mask()) {
        if *special == 0 {
            pieces += 1;
            unknown += u32::from(Some(*id) == unknown_id);
        }
    }
    f64::from(unknown) / f64::from(pieces.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::weights::{FILES, ModelName};

    #[test]
    fn a_model_of_other_dimensions_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12, "pad_token_id": 0,
        });
        for file in FILES {
            std::fs::write(dir.path().join(file), config.to_string()).unwrap();
        }
        let weights = Weights::read(&ModelName::new("other/model").unwrap(), dir.path()).unwrap();
        let message = MiniLm::new(&weights, EmbedderChoice::default()).unwrap_err().to_string();
        assert!(message.contains("it has 768 dimensions, not 384"), "{message}");
    }
}
