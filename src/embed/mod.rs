//! Adapter: text to embedding, by a model on this machine.
//!
//! It does not decide what is similar enough, and nothing here leaves the machine but the download
//! of the weights.

pub mod choice;
mod engine;
pub mod fused;
mod hub;
pub mod minilm;
mod queue;
pub mod weights;
mod wheel;
pub mod worker;

use crate::domain::embedding::Embedding;

/// An embedding with what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    pub embedding: Embedding,
    /// Word pieces of the text, special tokens included.
    pub tokens: usize,
    /// Whether the text was longer than the model reads, so that its end is not in the embedding.
    pub truncated: bool,
    /// The share of word pieces that the vocabulary does not know, in [0, 1].
    pub unknown_share: f64,
}

/// Why a text has no embedding.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// There are no weights, or they are not what they should be.
    #[error("no embedder: {0}")]
    Unavailable(String),
    /// The weights are still being loaded or fetched.
    #[error("the embedder is still loading")]
    Loading,
    /// More texts wait than the queue holds, or than are embedded in time.
    #[error("the embedder is busy")]
    Busy,
    #[error("the embedder failed: {0}")]
    Failed(String),
}

/// Turns a text into an embedding.
pub trait Embedder: Send {
    /// Names model, weights, pooling and precision; embeddings of different fingerprints never mix.
    fn fingerprint(&self) -> &str;

    /// Embeds one text; long texts are cut at the model's limit, and it says so.
    fn embed(&mut self, text: &str) -> Result<Embedded, EmbedError>;

    /// Embeds several texts, each as if alone; together they may take less time.
    fn embed_all(&mut self, texts: &[&str]) -> Vec<Result<Embedded, EmbedError>> {
        texts.iter().map(|text| self.embed(text)).collect()
    }

    /// Gives an embedder that shares the weights and works on another thread, if there can be one.
    fn another(&self) -> Option<Box<dyn Embedder>> {
        None
    }
}
