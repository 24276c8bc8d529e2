//! Which of the nearest cached answers is the one, and how surely.

use super::calibration::Scores;
use super::compare::{Prepared, compare};
use super::consensus::{elect, score_of};

/// A cached prompt near the new one.
#[derive(Debug)]
pub struct Near<'a, G> {
    pub prepared: &'a Prepared,
    /// Cosine in [-1, 1].
    pub similarity: f32,
    /// Those of one group are known to have the same answer.
    pub group: G,
}

/// The answer that a prompt most surely wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Its place among the neighbours.
    pub place: usize,
    pub scores: Scores,
}

/// Judges the nearest cached prompts; those that differ in something that an answer would not survive have no vote.
/// `None` where nobody is left.
pub fn judge<G: PartialEq + Copy>(prompt: &Prepared, near: &[Near<'_, G>]) -> Option<Judged> {
    let compared = near.iter().enumerate().filter_map(|(place, near)| {
        let comparison = compare(prompt, near.prepared, near.similarity);
        comparison.veto.is_none().then_some((place, comparison.verified, f64::from(near.similarity), near.group))
    });
    let compared: Vec<_> = compared.collect();
    let verified: Vec<(f64, G)> = compared.iter().map(|(_, verified, _, group)| (*verified, *group)).collect();
    let cosines: Vec<(f64, G)> = compared.iter().map(|(_, _, cosine, group)| (*cosine, *group)).collect();
    let elected = elect(&verified)?;
    let (place, _, _, group) = compared.get(elected.place)?;
    let cosine = score_of(&cosines, group)?;
    Some(Judged { place: *place, scores: Scores { verified: elected.score, cosine } })
}
