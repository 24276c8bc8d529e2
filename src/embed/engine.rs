//! The two engines that run the encoder on word pieces: Candle, and the fused one.
//!
//! They give the same vectors within 1e-6. Neither knows text.

use std::fmt::Display;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};

use super::choice::EmbedderChoice;
use super::fused::{Encoder, Precision, SIDE, Shape, Solo, Team, Width};
use super::weights::Weights;

/// From so many word pieces on half of the work is worth giving away, and can be without changing a bit of the vector.
const FOR_TWO_THREADS: usize = 24;

/// A model that is loaded.
pub(super) enum Engine {
    Candle { model: BertModel, device: Device },
    Fused(Fused),
}

/// The fused engine with the room that its calls need.
pub(super) struct Fused {
    encoder: Arc<Encoder>,
    solo: Solo,
    team: Option<Team>,
    vectors: Vec<[f32; SIDE]>,
}

impl Engine {
    /// Loads the weights into the engine that was chosen, or into Candle where the fused one does not fit.
    pub(super) fn load(
        weights: &Weights,
        config: &Config,
        longest: usize,
        (choice, device): (EmbedderChoice, Device),
    ) -> Result<Self, String> {
        match choice
            .fused_width(&device)
            .map(|width| Fused::load(weights, config, longest, (width, choice.precision)))
        {
            Some(Ok(fused)) => return Ok(Self::Fused(fused)),
            Some(Err(reason)) if choice.precision != Precision::F32 => {
                return Err(format!("{reason}; hint: set EMBEDDING_PRECISION=f32"));
            }
            Some(Err(reason)) => tracing::info!(%reason, "the embedding model runs on candle"),
            None => {}
        }
        // Candle copies the tensors, whether they are read or mapped.
        let bytes = weights.tensors.read_all().map_err(|error| error.to_string())?;
        let model = VarBuilder::from_slice_safetensors(&bytes, DType::F32, &device)
            .and_then(|tensors| BertModel::load(tensors, config))
            .map_err(|error| error.to_string())?;
        let mut engine = Self::Candle { model, device };
        // A driver compiles kernels when it first sees them used, 12 to 17 s on an H100: that is loading.
        if !matches!(&engine, Self::Candle { device: Device::Cpu, .. }) {
            engine.encode(&[&[0]])?;
        }
        Ok(engine)
    }

    /// Gives a vector of length 1 for each sequence; the others do not change it.
    pub(super) fn encode(&mut self, sequences: &[&[u32]]) -> Result<Vec<Vec<f32>>, String> {
        match self {
            Self::Candle { model, device } => {
                let encode = |pieces: &&[u32]| forward(model, device, pieces);
                sequences.iter().map(encode).collect::<Result<_, _>>().map_err(|error| error.to_string())
            }
            Self::Fused(fused) => fused.encode(sequences).map_err(|error| error.to_string()),
        }
    }

    /// Gives an engine for another thread that shares the weights, if there can be one.
    pub(super) fn another(&self) -> Option<Self> {
        match self {
            Self::Candle { .. } => None,
            Self::Fused(fused) => Some(Self::Fused(Fused::new(Arc::clone(&fused.encoder), None))),
        }
    }

    /// Says what runs, for the log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Candle { .. } => "candle".to_owned(),
            Self::Fused(fused) => format!("fused, {}", fused.encoder.width()),
        }
    }
}

/// Runs Candle on one sequence: every word piece counts the same, so no mask is needed.
fn forward(model: &BertModel, device: &Device, pieces: &[u32]) -> candle_core::Result<Vec<f32>> {
    let pieces = Tensor::new(pieces, device)?.unsqueeze(0)?;
    let hidden = model.forward(&pieces, &pieces.zeros_like()?, None)?;
    let mean = hidden.mean(1)?.squeeze(0)?;
    let length = mean.sqr()?.sum_all()?.sqrt()?;
    mean.broadcast_div(&length)?.to_vec1()
}

impl Fused {
    fn load(
        weights: &Weights,
        config: &Config,
        longest: usize,
        kernels: (Width, Precision),
    ) -> Result<Self, String> {
        let say = |error: &dyn Display| error.to_string();
        if !matches!(config.hidden_act, HiddenAct::Gelu) {
            return Err("the fused engine knows no activation but gelu".to_owned());
        }
        let shape = Shape {
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            middle: config.intermediate_size,
            epsilon: config.layer_norm_eps as f32,
            longest,
        };
        let file = weights.tensors.try_clone().map_err(|error| say(&error))?;
        let encoder = Encoder::load(file, &shape, kernels).map_err(|error| say(&error))?;
        let encoder = Arc::new(encoder);
        // Where threads cannot be had, one does all the work.
        let has_cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let team = if has_cores { Team::new(Arc::clone(&encoder)).ok() } else { None };
        Ok(Self::new(encoder, team))
    }

    fn new(encoder: Arc<Encoder>, team: Option<Team>) -> Self {
        Self { solo: Solo::new(Arc::clone(&encoder)), encoder, team, vectors: Vec::new() }
    }

    fn encode(&mut self, sequences: &[&[u32]]) -> std::io::Result<Vec<Vec<f32>>> {
        if let ([pieces], Some(team)) = (sequences, &mut self.team)
            && pieces.len() >= FOR_TWO_THREADS
            && team.has_room()
        {
            return Ok(vec![team.encode(&mut self.solo, pieces)?.to_vec()]);
        }
        self.solo.encode(sequences, &mut self.vectors)?;
        Ok(self.vectors.iter().map(|vector| vector.to_vec()).collect())
    }
}
