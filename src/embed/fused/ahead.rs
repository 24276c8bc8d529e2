//! Weights that will be needed next, asked for while the present ones are computed with.
//!
//! The only `unsafe` of the engine is here: without it the first rows of every panel wait for memory,
//! which costs 7 % of the time at 128 word pieces and 15 % at 8.

use super::LINE;

/// Numbers of 32 bits in a cache line.
const NUMBERS: usize = LINE / 4;

/// The share of the next weights that one tile asks for, a few lines at a time.
#[derive(Clone, Copy)]
pub(super) struct Ahead<'a, T> {
    lines: &'a [[T; NUMBERS]],
    at_once: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// Nothing is needed next.
    pub(super) const NONE: Self = Self { lines: &[], at_once: 0 };

    /// Takes a tile's share of what all tiles ask for together, to be asked for in so many steps.
    #[inline(always)]
    pub(super) fn share(next: &'a [T], (tile, tiles): (usize, usize), steps: usize) -> Self {
        let (lines, _) = next.as_chunks();
        let share = lines.len().div_ceil(tiles);
        let lines = lines.get(tile * share..).unwrap_or_default();
        let (lines, _) = lines.split_at(share.min(lines.len()));
        Self { lines, at_once: share.div_ceil(steps) }
    }

    /// Asks for some more of it.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        let (now, later) = self.lines.split_at(self.at_once.min(self.lines.len()));
        for line in now {
            fetch(line);
        }
        self.lines = later;
    }
}

/// Asks for a line to be brought near; does nothing where the processor cannot be asked.
#[inline(always)]
fn fetch<T>(line: &[T; NUMBERS]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[expect(
        unsafe_code,
        reason = "a prefetch takes a pointer; this one comes from a reference, and nothing is read"
    )]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = line;
}
