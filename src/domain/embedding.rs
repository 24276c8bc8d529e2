//! A text as a point on the unit sphere.

/// Numbers in one embedding.
pub const DIMENSIONS: usize = 384;

/// A unit vector of 384 numbers; the dot product of two is their cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

/// Numbers that are no embedding.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotAnEmbedding {
    #[error("an embedding has {DIMENSIONS} numbers, not {0}")]
    Length(usize),
    #[error("an embedding has length 1, not {0}")]
    Norm(f32),
}

impl Embedding {
    /// Takes a vector that is already of length 1 (± 10⁻³); NaN is refused.
    pub fn new(numbers: Vec<f32>) -> Result<Self, NotAnEmbedding> {
        if numbers.len() != DIMENSIONS {
            return Err(NotAnEmbedding::Length(numbers.len()));
        }
        let norm = dot(&numbers, &numbers).sqrt();
        if (norm - 1.0).abs() <= 1e-3 { Ok(Self(numbers.into())) } else { Err(NotAnEmbedding::Norm(norm)) }
    }

    /// Gives the numbers in order.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Gives the cosine of the angle between two embeddings, in [-1, 1].
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(&self.0, &other.0).clamp(-1.0, 1.0)
    }
}

/// Sums the products of two equally long slices; 16 partial sums let the compiler use wide registers.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (left_chunks, right_chunks) = (left.chunks_exact(16), right.chunks_exact(16));
    let rest: f32 = left_chunks.remainder().iter().zip(right_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left_chunks.zip(right_chunks) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_unit_vector_of_384_numbers_is_an_embedding() {
        let mut unit = vec![0.0; DIMENSIONS];
        unit[3] = 1.0;
        assert!(Embedding::new(unit.clone()).is_ok());
        assert_eq!(Embedding::new(vec![1.0; 3]), Err(NotAnEmbedding::Length(3)));
        unit[4] = 1.0;
        assert!(Embedding::new(unit.clone()).is_err());
        unit[4] = f32::NAN;
        assert!(Embedding::new(unit).is_err());
    }
}
