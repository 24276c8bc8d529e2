//! Which width to use: the widest that this machine has and that computes what plain Rust computes.
//!
//! AVX-512 could not be run where this was written, so no width is taken on trust: a small product, an
//! attention and a normalisation are compared at every load, in about 5 ms.

use super::arena::Arena;
use super::attention::{Attend, Memory, room_for_scores};
use super::curves::{Normalisation, Normalise};
use super::lanes::Width;
use super::multiply::{Multiply, Then};
use super::square::{Left, MakeWhole, Precision, Square};
use super::{Row, SIDE};

/// Rows of the trial: tiles of several sizes at every width.
const ROWS: usize = 13;

/// Numbers of the trial are about 1; with sums in another order they differ by some 1e-6.
const TOLERANCE: f32 = 1e-4;

/// Gives the widest width that works; `None` where plain Rust is all there is.
pub fn fastest() -> Option<Width> {
    let mut expected = None;
    Width::available().filter(|width| *width != Width::Portable).find(|width| {
        let expected = expected.get_or_insert_with(|| trial(Width::Portable));
        let agrees = agree(expected, &trial(*width));
        if !agrees {
            tracing::warn!(%width, "kernels of this width compute something else here; they are not used");
        }
        agrees
    })
}

fn agree(expected: &[Row], found: &[Row]) -> bool {
    !expected.is_empty()
        && expected.len() == found.len()
        && expected.iter().flatten().zip(found.iter().flatten()).all(|(expected, found)| {
            // Not a number is near nothing.
            (expected - found).abs() <= TOLERANCE
        })
}

/// Runs every kernel in every precision on numbers that are the same everywhere; without memory it gives nothing.
fn trial(width: Width) -> Vec<Row> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let mut rows: Vec<Row> = (0..ROWS).map(|_| std::array::from_fn(|_| next())).collect();
    let weights: Vec<Row> = (0..SIDE).map(|_| std::array::from_fn(|_| next() / 16.0)).collect();
    let weight = |column: usize, depth: usize| {
        weights.get(column).and_then(|weights| weights.get(depth)).copied().unwrap_or(0.0)
    };
    let (mut whole, mut scales) = (vec![[0; SIDE / 2]; ROWS], vec![0.0; ROWS]);
    width.run(MakeWhole { rows: &rows, whole: &mut whole, scales: &mut scales });
    let mut seen = Vec::new();
    let mut out = rows.clone();
    for (precision, then) in
        [(Precision::F32, Then::StoreGelu), (Precision::Bf16, Then::Store), (Precision::Int8, Then::Add)]
    {
        let Ok(mut arena) = Arena::new(precision.bytes()) else { return Vec::new() };
        let square = Square::pack(&mut arena, (width, precision), weight, [0.125; SIDE]);
        let left = Left { rows: &rows, whole: &whole, scales: &scales };
        width.run(Multiply { left, right: square.matrix(&arena), out: &mut out, then });
        seen.extend_from_slice(&out);
    }
    let mut memory = Memory::new(width, ROWS);
    memory.pack(width, &rows, &out);
    let mut scores = vec![0.0; room_for_scores(ROWS)];
    let mut attended = rows.clone();
    width.run(Attend { queries: &rows, memories: &[&memory], scores: &mut scores, out: &mut attended });
    seen.append(&mut attended);
    let to = Normalisation { gain: [1.0; SIDE], bias: [0.5; SIDE], epsilon: 1e-12 };
    width.run(Normalise { rows: &mut rows, to: &to });
    seen.append(&mut rows);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_this_machine_passes_and_a_wrong_number_does_not() {
        let expected = trial(Width::Portable);
        for width in Width::available() {
            assert!(agree(&expected, &trial(width)), "{width}");
        }
        for wrong in [0.5, f32::NAN] {
            let mut found = expected.clone();
            found[20][7] = wrong;
            assert!(!agree(&expected, &found));
        }
    }
}
