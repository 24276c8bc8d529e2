//! Which width to use: the widest that this machine has and that computes what plain Rust computes.
//!
//! Not every kind of machine was at hand, so no width is taken on trust: a small product, an attention and a
//! normalisation are compared at every load, in about 5 ms.

use super::arena::Arena;
use super::attention::{Attend, room_for_scores};
use super::curves::{Normalisation, Normalise};
use super::lanes::Width;
use super::memory::Memory;
use super::multiply::{Multiply, Then};
use super::square::{Form, Left, Precision, Square};
use super::whole::{MakeWhole, WholeRow};
use super::{Row, SIDE};

/// Rows of the trial: tiles of several sizes at every width; Miri has time for one.
const ROWS: usize = if cfg!(miri) { 1 } else { 13 };

/// Numbers of the trial are about 1; with sums in another order they differ by some 1e-6.
const TOLERANCE: f32 = 1e-4;

/// The same where only some machines round to 16-bit floats.
const ROUNDED: f32 = 0.02;

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

fn agree(expected: &[(Row, f32)], found: &[(Row, f32)]) -> bool {
    !expected.is_empty()
        && expected.len() == found.len()
        && expected.iter().zip(found).all(|((expected, tolerance), (found, _))| {
            // Not a number is near nothing.
            expected.iter().zip(found).all(|(expected, found)| (expected - found).abs() <= *tolerance)
        })
}

/// Runs every kernel in every precision on numbers that are the same everywhere, and 16-bit floats; gives rows, and
/// how far they may differ. Without memory it gives nothing.
fn trial(width: Width) -> Vec<(Row, f32)> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32 / 128.0 - 1.0
    };
    let mut rows: Vec<Row> = (0..ROWS).map(|_| std::array::from_fn(|_| next())).collect();
    let weights: Vec<Row> = (0..SIDE).map(|_| std::array::from_fn(|_| next() / 16.0)).collect();
    let weight = |column: usize, depth: usize| {
        weights.get(column).and_then(|weights| weights.get(depth)).copied().unwrap_or(0.0)
    };
    let mut whole = vec![WholeRow::ZERO; ROWS];
    let mut seen = Vec::new();
    let mut out = rows.clone();
    for (precision, then) in
        [(Precision::F32, Then::StoreGelu), (Precision::Bf16, Then::Store), (Precision::Int8, Then::Add)]
    {
        let Ok(mut arena) = Arena::new(precision.bytes()) else { return Vec::new() };
        let square = Square::pack(&mut arena, (width, precision), weight, [0.125; SIDE]);
        let form = Form::new(width, precision);
        width.run(MakeWhole { form, rows: &rows, whole: &mut whole });
        let left = Left { rows: &rows, whole: &whole };
        width.run(Multiply { left, right: square.matrix(&arena), out: &mut out, then });
        seen.extend(out.iter().map(|row| (*row, TOLERANCE)));
    }
    for (precision, tolerance) in [(Precision::F32, TOLERANCE), (Precision::Bf16, ROUNDED)] {
        let mut memory = Memory::new((width, precision), ROWS);
        memory.pack(&rows, &out);
        let mut scores = vec![0.0; room_for_scores(ROWS)];
        let mut attended = rows.clone();
        width.run(Attend { queries: &rows, memories: &[&memory], scores: &mut scores, out: &mut attended });
        seen.extend(attended.iter().map(|row| (*row, tolerance)));
    }
    let to = Normalisation { gain: [1.0; SIDE], bias: [0.5; SIDE], epsilon: 1e-12 };
    width.run(Normalise { rows: &mut rows, to: &to });
    seen.extend(rows.iter().map(|row| (*row, TOLERANCE)));
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
            found[4].0[7] = wrong;
            assert!(!agree(&expected, &found));
        }
    }
}
