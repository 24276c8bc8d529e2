//! What embeds prompts, and on what.

use std::path::PathBuf;

use super::Values;

/// What embeds prompts, and on what.
#[derive(Debug, Clone)]
pub struct EmbeddingConfig {
    /// `EMBEDDING_MODEL_NAME`; default: all-MiniLM-L6-v2.
    pub model_name: String,
    /// `EMBEDDING_MODEL_PATH`; default: none, the weights are looked for.
    pub model_path: Option<PathBuf>,
    /// `EMBEDDING_DEVICE`: auto (default), cpu, cuda or metal.
    pub device: String,
    /// `EMBEDDING_ENGINE`: auto (default) or candle.
    pub engine: String,
    /// `EMBEDDING_PRECISION`: f32 (default), bf16 or int8.
    pub precision: String,
}

impl EmbeddingConfig {
    pub(super) fn read(values: &Values) -> anyhow::Result<Self> {
        Ok(Self {
            model_name: values.text("EMBEDDING_MODEL_NAME").unwrap_or("all-MiniLM-L6-v2").to_owned(),
            model_path: values.text("EMBEDDING_MODEL_PATH").map(PathBuf::from),
            device: one_of(values, "EMBEDDING_DEVICE", &["auto", "cpu", "cuda", "metal"])?,
            engine: one_of(values, "EMBEDDING_ENGINE", &["auto", "candle"])?,
            precision: one_of(values, "EMBEDDING_PRECISION", &["f32", "bf16", "int8"])?,
        })
    }
}

/// Takes the first where none is set.
fn one_of(values: &Values, name: &str, accepted: &[&'static str]) -> anyhow::Result<String> {
    let find = |text: &str| accepted.iter().find(|known| **known == text).map(|known| (*known).to_owned());
    let default = accepted.first().copied().unwrap_or_default().to_owned();
    Ok(values.parsed(name, &accepted.join(", "), find)?.unwrap_or(default))
}
