//! The encoder out of the tensors of a safetensors file.
//!
//! Folded in while packing: log₂e/√32 into the queries, token type 0 into the positions. It takes BERT of
//! 384 dimensions in heads of 32, and says of anything else why it does not fit.

use std::f32::consts::LOG2_E;
use std::sync::atomic::AtomicUsize;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::arena::Arena;
use super::curves::Normalisation;
use super::encoder::Encoder;
use super::lanes::Width;
use super::rows::Layer;
use super::square::{Precision, Square};
use super::tensor_file::TensorFile;
use super::words::Words;
use super::{HEAD, HEADS, Row, SIDE};

/// What a model's configuration says, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub layers: usize,
    pub heads: usize,
    /// The width of the middle of a layer.
    pub middle: usize,
    pub epsilon: f32,
    /// Word pieces that a sequence may have.
    pub longest: usize,
}

/// Why a model is not for the fused engine.
#[derive(Debug, thiserror::Error)]
#[error("the fused engine does not fit: {0}")]
pub struct UnfitError(String);

#[expect(clippy::needless_pass_by_value, reason = "errors come by value from `map_err`")]
fn unfit(reason: impl ToString) -> UnfitError {
    UnfitError(reason.to_string())
}

impl Encoder {
    /// Packs the weights of a file; the words' rows stay there and are read when they are needed.
    ///
    /// # Errors
    /// [`UnfitError`] if the model has another shape.
    pub fn load(
        file: TensorFile,
        shape: &Shape,
        (width, precision): (Width, Precision),
    ) -> Result<Self, UnfitError> {
        if shape.heads != HEADS || !shape.middle.is_multiple_of(SIDE) || shape.middle == 0 {
            return Err(unfit(format!("{} heads and a middle of {}", shape.heads, shape.middle)));
        }
        let tensors = Tensors::new(file, shape.epsilon)?;
        let mut positions = tensors.rows("embeddings.position_embeddings.weight")?;
        positions.truncate(shape.longest);
        let types = tensors.rows("embeddings.token_type_embeddings.weight")?;
        let first_type = types.first().ok_or_else(|| unfit("no token types"))?;
        for (number, of_type) in positions.iter_mut().flat_map(|row| row.iter_mut().zip(first_type)) {
            *number += of_type;
        }
        let squares = shape.layers * (4 + 2 * shape.middle / SIDE);
        let mut arena = Arena::new(squares * precision.bytes()).map_err(unfit)?;
        let mut layers = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            layers.push(tensors.layer(layer, shape.middle, (width, precision), &mut arena)?);
        }
        let after_words = tensors.normalisation("embeddings.LayerNorm")?;
        tensors.file.check().map_err(unfit)?;
        let (words, busy) = (tensors.words()?, AtomicUsize::new(0));
        Ok(Self { width, precision, words, positions, after_words, arena, layers, busy })
    }
}

struct Tensors {
    file: TensorFile,
    header: Metadata,
    /// Where the numbers start in the file.
    start: u64,
    epsilon: f32,
}

impl Tensors {
    fn new(file: TensorFile, epsilon: f32) -> Result<Self, UnfitError> {
        /// No model of this shape has so long a header.
        const LONGEST_HEADER: u64 = 16 << 20;
        let mut len = [0; 8];
        file.read(&mut len, 0).map_err(unfit)?;
        let len = u64::from_le_bytes(len);
        if len > LONGEST_HEADER {
            return Err(unfit("its header is too long"));
        }
        let mut header = vec![0; usize::try_from(len).map_err(unfit)?];
        file.read(&mut header, 8).map_err(unfit)?;
        let header = serde_json::from_slice(&header).map_err(unfit)?;
        Ok(Self { file, header, start: 8 + len, epsilon })
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, UnfitError> {
        self.header.info(name).ok_or_else(|| unfit(format!("it has no {name}")))
    }

    /// Gives the numbers of a tensor as they lie in the file, little-endian.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<u8>, UnfitError> {
        let mut bytes = vec![0; self.place(name, shape)?.1];
        self.file.read(&mut bytes, self.place(name, shape)?.0).map_err(unfit)?;
        Ok(bytes)
    }

    /// Gives where a tensor of this shape starts in the file, and its bytes.
    fn place(&self, name: &str, shape: &[usize]) -> Result<(u64, usize), UnfitError> {
        let info = self.info(name)?;
        let (start, end) = info.data_offsets;
        let bytes = shape.iter().product::<usize>() * 4;
        if info.dtype != Dtype::F32 || info.shape != shape || end.checked_sub(start) != Some(bytes) {
            return Err(unfit(format!("{name} is {:?} {:?}, not {shape:?}", info.dtype, info.shape)));
        }
        Ok((self.start + start as u64, bytes))
    }

    fn row(&self, name: &str) -> Result<Row, UnfitError> {
        let numbers = self.numbers(name, &[SIDE])?;
        let mut row = [0.0; SIDE];
        for (number, bytes) in row.iter_mut().zip(numbers.as_chunks::<4>().0) {
            *number = f32::from_le_bytes(*bytes);
        }
        Ok(row)
    }

    fn rows(&self, name: &str) -> Result<Vec<Row>, UnfitError> {
        let rows = self.info(name)?.shape.first().copied().unwrap_or(0);
        let numbers = self.numbers(name, &[rows, SIDE])?;
        let read = |numbers: &[[u8; 4]; SIDE]| numbers.map(f32::from_le_bytes);
        Ok(numbers.as_chunks::<4>().0.as_chunks::<SIDE>().0.iter().map(read).collect())
    }

    fn words(self) -> Result<Words, UnfitError> {
        const NAME: &str = "embeddings.word_embeddings.weight";
        let words = self.info(NAME)?.shape.first().copied().unwrap_or(0);
        let (start, _) = self.place(NAME, &[words, SIDE])?;
        Ok(Words { file: self.file, start, words })
    }

    fn normalisation(&self, name: &str) -> Result<Normalisation, UnfitError> {
        Ok(Normalisation {
            gain: self.row(&format!("{name}.weight"))?,
            bias: self.row(&format!("{name}.bias"))?,
            epsilon: self.epsilon,
        })
    }

    fn layer(
        &self,
        layer: usize,
        middle: usize,
        kernels: (Width, Precision),
        arena: &mut Arena,
    ) -> Result<Layer, UnfitError> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let read = |part: &str, [columns, inputs]: [usize; 2]| {
            let weights = self.numbers(&name(&format!("{part}.weight")), &[columns, inputs])?;
            let biases = self.numbers(&name(&format!("{part}.bias")), &[columns])?;
            Ok::<_, UnfitError>((weights, biases, inputs))
        };
        // The part of a matrix that takes numbers from `first_input` on to columns from `first_column` on.
        let mut square = |(weights, biases, inputs): &(Vec<u8>, Vec<u8>, usize),
                          first_column: usize,
                          first_input: usize,
                          scale: f32| {
            let (weights, biases) = (weights.as_chunks::<4>().0, biases.as_chunks::<4>().0);
            let mut bias = [0.0; SIDE];
            // What is added up from several squares has its bias in the first.
            if first_input == 0 {
                for (bias, bytes) in bias.iter_mut().zip(biases.iter().skip(first_column)) {
                    *bias = f32::from_le_bytes(*bytes) * scale;
                }
            }
            let weight = |column: usize, depth: usize| {
                let place = (first_column + column) * inputs + first_input + depth;
                weights.get(place).map_or(0.0, |bytes| f32::from_le_bytes(*bytes)) * scale
            };
            Square::pack(arena, kernels, weight, bias)
        };
        let mut whole =
            |part: &str, scale: f32| Ok::<_, UnfitError>(square(&read(part, [SIDE, SIDE])?, 0, 0, scale));
        // In the order in which they are needed.
        let query = whole("attention.self.query", LOG2_E / (HEAD as f32).sqrt())?;
        let (key, value) = (whole("attention.self.key", 1.0)?, whole("attention.self.value", 1.0)?);
        let attended = whole("attention.output.dense", 1.0)?;
        let (up, down) = (read("intermediate.dense", [middle, SIDE])?, read("output.dense", [SIDE, middle])?);
        let of_middle = |first: usize| (square(&up, first, 0, 1.0), square(&down, 0, first, 1.0));
        Ok(Layer {
            query,
            key,
            value,
            attended,
            after_attention: self.normalisation(&name("attention.output.LayerNorm"))?,
            middle: (0..middle).step_by(SIDE).map(of_middle).collect(),
            after_middle: self.normalisation(&name("output.LayerNorm"))?,
        })
    }
}
