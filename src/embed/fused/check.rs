//! Which width to use: the widest that this machine has, that computes what plain Rust computes, and that pays.
//!
//! Not every kind of machine was at hand, so no width is taken on trust: a small product, an attention and a
//! normalisation are compared at every load, in about 5 ms. Intel's Sapphire Rapids has products of 16-bit
//! floats, and takes more than twice as long for them as for 32-bit ones: so they are timed too.

use std::time::Instant;

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
        agrees && (width.half_products().is_none() || halves_pay(*width))
    })
}

/// Says whether a product in 16-bit floats is clearly faster than in 32-bit ones; without memory it is not.
fn halves_pay(width: Width) -> bool {
    /// The fastest of so many counts: whatever interrupts them only makes them slower.
    const TIMES: usize = 7;
    let rows = vec![[0.5; SIDE]; 2 * ROWS];
    let mut out = rows.clone();
    let mut time = |precision| {
        let product = Product::new(width, precision, |_, _| 0.5)?;
        let once = || {
            let started = Instant::now();
            product.run(&rows, &mut out, Then::Store);
            started.elapsed()
        };
        std::iter::repeat_with(once).take(TIMES).min()
    };
    match (time(Precision::F32), time(Precision::Bf16)) {
        (Some(floats), Some(halves)) => halves.as_secs_f64() < 0.8 * floats.as_secs_f64(),
        _ => false,
    }
}

/// A matrix to try products with.
struct Product {
    width: Width,
    precision: Precision,
    arena: Arena,
    square: Square,
}

impl Product {
    fn new(width: Width, precision: Precision, weight: impl Fn(usize, usize) -> f32) -> Option<Self> {
        let mut arena = Arena::new(precision.bytes()).ok()?;
        let square = Square::pack(&mut arena, (width, precision), weight, [0.125; SIDE]);
        Some(Self { width, precision, arena, square })
    }

    fn run(&self, rows: &[Row], out: &mut [Row], then: Then) {
        let form = Form::new(self.width, self.precision);
        let mut whole = vec![WholeRow::ZERO; rows.len()];
        self.width.run(MakeWhole { form, rows, whole: &mut whole });
        let left = Left { rows, whole: &whole };
        self.width.run(Multiply { left, right: self.square.matrix(&self.arena), out, then });
    }
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
    let mut seen = Vec::new();
    let mut out = rows.clone();
    for (precision, then) in
        [(Precision::F32, Then::StoreGelu), (Precision::Bf16, Then::Store), (Precision::Int8, Then::Add)]
    {
        let Some(product) = Product::new(width, precision, weight) else { return Vec::new() };
        product.run(&rows, &mut out, then);
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
