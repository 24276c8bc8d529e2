//! What the linear part of the success model sees of a prompt: a constant, the surface, and the embedding in its 64
//! directions of most variance.
//!
//! `data/projection.bin` holds the mean of embeddings (384 numbers), the scale of each direction (64) and the directions
//! as bytes, little-endian; `packaging/routing/projection.py` makes it.

use std::sync::LazyLock;

use super::surface::{SURFACE, surface};
use crate::domain::embedding::{DIMENSIONS, Embedding, dot};

/// Directions of the embedding that are kept.
const DIRECTIONS: usize = 64;
/// Numbers that describe a prompt.
pub const INPUTS: usize = 1 + SURFACE + DIRECTIONS;
/// Brings a projected embedding to the size of the surface, so that one penalty suits both.
const STRETCH: f32 = 8.0;

static FILE: &[u8] = include_bytes!("data/projection.bin");
static PROJECTION: LazyLock<Projection> = LazyLock::new(|| Projection::read(FILE).unwrap_or_default());

/// Describes a prompt; without an embedding only its surface does.
pub fn input(prompt: &str, embedding: Option<&Embedding>) -> Vec<f64> {
    let mut input = Vec::with_capacity(INPUTS);
    input.push(1.0);
    input.extend(surface(prompt));
    match embedding {
        Some(embedding) => input.extend(PROJECTION.of(embedding.as_slice())),
        None => input.resize(INPUTS, 0.0),
    }
    input
}

/// An affine map of embeddings.
#[derive(Debug, Default)]
struct Projection {
    directions: Vec<Vec<f32>>,
    /// What each direction gives for the mean embedding.
    offsets: Vec<f32>,
}

impl Projection {
    fn read(file: &[u8]) -> Option<Self> {
        let (floats, bytes) = file.split_at_checked(4 * (DIMENSIONS + DIRECTIONS))?;
        let floats: Vec<f32> =
            floats.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let (mean, scales) = floats.split_at_checked(DIMENSIONS)?;
        let directions: Vec<Vec<f32>> = bytes
            .chunks_exact(DIMENSIONS)
            .zip(scales)
            .map(|(bytes, scale)| {
                bytes.iter().map(|byte| STRETCH * scale * f32::from(byte.cast_signed())).collect()
            })
            .collect();
        let offsets = directions.iter().map(|direction| dot(direction, mean)).collect();
        (directions.len() == DIRECTIONS).then_some(Self { directions, offsets })
    }

    fn of(&self, embedding: &[f32]) -> impl Iterator<Item = f64> {
        self.directions
            .iter()
            .zip(&self.offsets)
            .map(move |(direction, offset)| f64::from(dot(direction, embedding) - offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(place: usize) -> Embedding {
        let mut numbers = vec![0.0; DIMENSIONS];
        numbers[place] = 1.0;
        Embedding::new(numbers).expect("a unit vector")
    }

    #[test]
    fn the_shipped_directions_are_orthonormal_but_for_rounding() {
        assert_eq!(PROJECTION.directions.len(), DIRECTIONS);
        for (place, left) in PROJECTION.directions.iter().enumerate() {
            for (other, right) in PROJECTION.directions.iter().enumerate() {
                let expected = if place == other { STRETCH * STRETCH } else { 0.0 };
                assert!((dot(left, right) - expected).abs() < 1.0, "{place} {other}: {}", dot(left, right));
            }
        }
    }

    #[test]
    fn a_prompt_is_described_with_and_without_an_embedding() {
        let (with, without) = (input("Why?", Some(&unit(7))), input("Why?", None));
        assert_eq!((with.len(), without.len()), (INPUTS, INPUTS));
        assert_eq!(with[..=SURFACE], without[..=SURFACE]);
        assert!(without[1 + SURFACE..].iter().all(|number| *number == 0.0));
        assert!(with.iter().all(|number| number.is_finite()) && with != input("Why?", Some(&unit(8))));
    }
}
