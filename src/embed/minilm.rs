//! all-MiniLM-L6-v2 (or another BERT of 384 dimensions) by Candle.
//!
//! It does what sentence-transformers does: 256 word pieces, mean over them, length 1. It does not
//! find the weights and keeps no queue. Invariant: one text at a time, so nothing is ever padded.

use std::fmt;

use candle_core::utils::{cuda_is_available, metal_is_available};
use candle_core::{DType, Device, DeviceLocation, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::Value;
use strum::{Display, EnumString, VariantArray};
use tokenizers::{Encoding, PostProcessor as _, Tokenizer, TruncationParams};

use super::weights::Weights;
use super::{EmbedError, Embedded, Embedder};
use crate::domain::embedding::{DIMENSIONS, Embedding};

/// Word pieces that the model reads, special tokens included; what follows is cut.
pub const READ_LIMIT: usize = 256;

/// The device that was asked for (`EMBEDDING_DEVICE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DeviceChoice {
    /// CUDA or Metal if this build has it and the machine too, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda,
    Metal,
}

impl DeviceChoice {
    /// Opens the device; one that was named and is not there is an error, never a silent CPU.
    pub fn open(self) -> Result<Device, EmbedError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda if !cuda_is_available() => Err(lacks_feature(self)),
            Self::Metal if !metal_is_available() => Err(lacks_feature(self)),
            Self::Cuda => Device::new_cuda(0).and_then(tried).map_err(|error| lacks_device(self, &error)),
            Self::Metal => Device::new_metal(0).and_then(tried).map_err(|error| lacks_device(self, &error)),
            Self::Auto => {
                let accelerator = Self::Cuda.open().or_else(|_| Self::Metal.open());
                Ok(accelerator.unwrap_or(Device::Cpu))
            }
        }
    }
}

impl DeviceChoice {
    /// Names the device that would be used: never `Auto`.
    pub fn resolve(self) -> Result<Self, EmbedError> {
        Ok(match self.open()?.location() {
            DeviceLocation::Cpu => Self::Cpu,
            DeviceLocation::Cuda { .. } => Self::Cuda,
            DeviceLocation::Metal { .. } => Self::Metal,
        })
    }
}

/// Computes something: a device for which this build has no kernels opens and takes weights all the same.
///
/// An addition, because its kernels are few: a driver that sees them first compiles them now.
fn tried(device: Device) -> candle_core::Result<Device> {
    (Tensor::zeros(1, DType::F32, &device)? + 1.0)?.to_vec1::<f32>()?;
    Ok(device)
}

fn lacks_feature(device: DeviceChoice) -> EmbedError {
    EmbedError::Unavailable(format!(
        "EMBEDDING_DEVICE={device}, but this build has no {device}; \
         hint: build with `--features {device}`, or set EMBEDDING_DEVICE=auto"
    ))
}

fn lacks_device(device: DeviceChoice, error: &candle_core::Error) -> EmbedError {
    EmbedError::Unavailable(format!(
        "EMBEDDING_DEVICE={device}, but no such device works here ({error}); hint: set EMBEDDING_DEVICE=auto"
    ))
}

/// A BERT encoder in 32-bit floats with its tokenizer, about 100 MB.
pub struct MiniLm {
    model: BertModel,
    tokenizer: Tokenizer,
    unknown_id: Option<u32>,
    device: Device,
    fingerprint: String,
}

impl MiniLm {
    /// Builds the model; takes the weights by value, so that their file's bytes are freed after.
    ///
    /// Blocks for about 0.1 s; on a GPU whose driver does not know the kernels yet, for many seconds.
    ///
    /// # Errors
    /// [`EmbedError::Unavailable`] if the files are no BERT of 384 dimensions, or the device is not there.
    pub fn new(weights: Weights, choice: DeviceChoice) -> Result<Self, EmbedError> {
        let Weights { name, folder, revision, config, tokenizer, safetensors } = weights;
        let unusable = |reason: String| {
            EmbedError::Unavailable(format!(
                "the embedding model in {} cannot be used: {reason}; \
                 hint: check EMBEDDING_MODEL_NAME and EMBEDDING_DEVICE",
                folder.display()
            ))
        };
        let device = choice.open()?;
        let config: Config = serde_json::from_slice(&config).map_err(|error| unusable(error.to_string()))?;
        if config.hidden_size != DIMENSIONS {
            return Err(unusable(format!("it has {} dimensions, not {DIMENSIONS}", config.hidden_size)));
        }
        // Candle divides by it without a look.
        if config.num_attention_heads == 0 {
            return Err(unusable("it has no attention heads".to_owned()));
        }
        let read_limit = READ_LIMIT.min(config.max_position_embeddings);
        let tokenizer =
            tokenizer_for_one(&tokenizer, read_limit).map_err(|error| unusable(error.to_string()))?;
        // Reading the file costs 91 MB for a moment; mapping it would need unsafe code, and would
        // let the file change between its hash and its use. Candle copies the tensors either way.
        let model = VarBuilder::from_slice_safetensors(&safetensors, DType::F32, &device)
            .and_then(|tensors| BertModel::load(tensors, &config))
            .map_err(|error| unusable(error.to_string()))?;
        let made = Self {
            model,
            unknown_id: tokenizer.token_to_id("[UNK]"),
            tokenizer,
            device,
            fingerprint: format!("{}@{revision}/f32/mean/{read_limit}", name.short()),
        };
        // A driver compiles kernels when it first sees them used, 12 to 17 s on an H100: that is loading.
        if !made.device.is_cpu() {
            made.forward(&[0]).map_err(|error| unusable(error.to_string()))?;
        }
        Ok(made)
    }

    /// Runs the encoder on one sequence: every word piece counts the same, so no mask is needed.
    fn forward(&self, ids: &[u32]) -> candle_core::Result<Vec<f32>> {
        let ids = Tensor::new(ids, &self.device)?.unsqueeze(0)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, None)?;
        let mean = hidden.mean(1)?.squeeze(0)?;
        let length = mean.sqr()?.sum_all()?.sqrt()?;
        mean.broadcast_div(&length)?.to_vec1()
    }
}

impl Embedder for MiniLm {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn embed(&mut self, text: &str) -> Result<Embedded, EmbedError> {
        // Neither error repeats the text: tokenizer and model report about themselves.
        let encoding =
            self.tokenizer.encode_fast(text, true).map_err(|error| EmbedError::Failed(error.to_string()))?;
        let numbers =
            self.forward(encoding.get_ids()).map_err(|error| EmbedError::Failed(error.to_string()))?;
        Ok(Embedded {
            embedding: Embedding::new(numbers).map_err(|error| EmbedError::Failed(error.to_string()))?,
            tokens: encoding.len(),
            truncated: !encoding.get_overflowing().is_empty(),
            unknown_share: unknown_share(&encoding, self.unknown_id),
        })
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
    fn a_device_that_this_build_lacks_is_an_error_that_names_the_way_out() {
        for (choice, lacks, name) in [
            (DeviceChoice::Cuda, !cuda_is_available(), "cuda"),
            (DeviceChoice::Metal, !metal_is_available(), "metal"),
        ] {
            if lacks {
                let message = choice.open().unwrap_err().to_string();
                assert!(message.contains(&format!("EMBEDDING_DEVICE={name}")), "{message}");
                assert!(message.contains(&format!("--features {name}")), "{message}");
            }
        }
        assert!(DeviceChoice::Auto.open().is_ok());
    }

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
        let message = MiniLm::new(weights, DeviceChoice::Cpu).unwrap_err().to_string();
        assert!(message.contains("it has 768 dimensions, not 384"), "{message}");
    }
}
