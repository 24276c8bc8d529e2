//! The encoder out of the tensors of a safetensors file.
//!
//! Folded in while packing: 1/√32 into the queries, token type 0 into the positions. It takes BERT of
//! 384 dimensions in heads of 32, and says of anything else why it does not fit.

use std::fs::{File, Metadata};

use safetensors::{Dtype, SafeTensors};

use super::curves::Normalisation;
use super::encoder::Encoder;
use super::lanes::Width;
use super::rows::Layer;
use super::square::{Precision, Square};
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

fn unfit(reason: impl ToString) -> UnfitError {
    UnfitError(reason.to_string())
}

impl Encoder {
    /// Packs the weights in `bytes`, which `file` holds too: the words' rows are read there later.
    ///
    /// # Errors
    /// [`UnfitError`] if the model has another shape.
    pub fn load(
        bytes: &[u8],
        (file, checked): (File, &Metadata),
        shape: &Shape,
        (width, precision): (Width, Precision),
    ) -> Result<Self, UnfitError> {
        if shape.heads != HEADS || !shape.middle.is_multiple_of(SIDE) || shape.middle == 0 {
            return Err(unfit(format!("{} heads and a middle of {}", shape.heads, shape.middle)));
        }
        let tensors =
            Tensors { tensors: SafeTensors::deserialize(bytes).map_err(unfit)?, epsilon: shape.epsilon };
        let mut positions = tensors.rows("embeddings.position_embeddings.weight")?;
        positions.truncate(shape.longest);
        let types = tensors.rows("embeddings.token_type_embeddings.weight")?;
        let first_type = types.first().ok_or_else(|| unfit("no token types"))?;
        for (number, of_type) in positions.iter_mut().flat_map(|row| row.iter_mut().zip(first_type)) {
            *number += of_type;
        }
        let layers = (0..shape.layers).map(|layer| tensors.layer(layer, shape.middle, (width, precision)));
        Ok(Self {
            width,
            precision,
            words: tensors.words(bytes, file, checked)?,
            positions,
            after_words: tensors.normalisation("embeddings.LayerNorm")?,
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}

struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    epsilon: f32,
}

impl<'a> Tensors<'a> {
    /// Gives the numbers of a tensor as they lie in the file, little-endian.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<&'a [[u8; 4]], UnfitError> {
        let tensor = self.tensors.tensor(name).map_err(unfit)?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(unfit(format!("{name} is {:?} {:?}, not {shape:?}", tensor.dtype(), tensor.shape())));
        }
        Ok(tensor.data().as_chunks::<4>().0)
    }

    fn row(&self, name: &str) -> Result<Row, UnfitError> {
        let numbers = self.numbers(name, &[SIDE])?;
        let mut row = [0.0; SIDE];
        row.iter_mut().zip(numbers).for_each(|(number, bytes)| *number = f32::from_le_bytes(*bytes));
        Ok(row)
    }

    fn rows(&self, name: &str) -> Result<Vec<Row>, UnfitError> {
        let rows = self.tensors.tensor(name).map_err(unfit)?.shape().first().copied().unwrap_or(0);
        let numbers = self.numbers(name, &[rows, SIDE])?;
        let read = |numbers: &[[u8; 4]; SIDE]| numbers.map(f32::from_le_bytes);
        Ok(numbers.as_chunks::<SIDE>().0.iter().map(read).collect())
    }

    fn words(&self, bytes: &[u8], file: File, checked: &Metadata) -> Result<Words, UnfitError> {
        const NAME: &str = "embeddings.word_embeddings.weight";
        let words = self.tensors.tensor(NAME).map_err(unfit)?.shape().first().copied().unwrap_or(0);
        let numbers = self.numbers(NAME, &[words, SIDE])?;
        let start = numbers.as_ptr().addr() - bytes.as_ptr().addr();
        Ok(Words::new(file, checked, start as u64, u32::try_from(words).map_err(unfit)?))
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
        (width, precision): (Width, Precision),
    ) -> Result<Layer, UnfitError> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        // The part of a matrix that takes numbers from `first_input` on to columns from `first_column` on.
        let square = |part: &str,
                      [columns, inputs]: [usize; 2],
                      [first_column, first_input]: [usize; 2],
                      scale: f32| {
            let weights = self.numbers(&name(&format!("{part}.weight")), &[columns, inputs])?;
            let biases = self.numbers(&name(&format!("{part}.bias")), &[columns])?;
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
            Ok::<_, UnfitError>(Square::pack(width, precision, weight, bias))
        };
        let whole = |part: &str, scale: f32| square(part, [SIDE, SIDE], [0, 0], scale);
        let of_middle = |first: usize| {
            Ok::<_, UnfitError>((
                square("intermediate.dense", [middle, SIDE], [first, 0], 1.0)?,
                square("output.dense", [SIDE, middle], [0, first], 1.0)?,
            ))
        };
        Ok(Layer {
            query: whole("attention.self.query", 1.0 / (HEAD as f32).sqrt())?,
            key: whole("attention.self.key", 1.0)?,
            value: whole("attention.self.value", 1.0)?,
            attended: whole("attention.output.dense", 1.0)?,
            after_attention: self.normalisation(&name("attention.output.LayerNorm"))?,
            middle: (0..middle).step_by(SIDE).map(of_middle).collect::<Result<_, _>>()?,
            after_middle: self.normalisation(&name("output.LayerNorm"))?,
        })
    }
}
