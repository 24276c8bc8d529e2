//! Weights that will be needed next, asked for while the present ones are computed with.

use super::LINE;
use super::machine::fetch;

/// Numbers of 32 bits in a cache line.
const NUMBERS: usize = LINE / 4;

/// The share of the next weights that one tile asks for, a few lines at a time.
#[derive(Clone, Copy)]
pub(super) struct Ahead<'a, T> {
    lines: &'a [[T; NUMBERS]],
    at_once: usize,
    /// Whether they come into the cache of the first level: few lines can be on that way at once, so where one tile asks
    /// for all, they come into the second.
    is_near: bool,
}

impl<'a, T> Ahead<'a, T> {
    /// Nothing is needed next.
    pub(super) const NONE: Self = Self { lines: &[], at_once: 0, is_near: true };

    /// Takes a tile's share of what all tiles ask for together, to be asked for in so many steps.
    #[inline(always)]
    pub(super) fn share(next: &'a [T], (tile, tiles): (usize, usize), steps: usize) -> Self {
        let (lines, _) = next.as_chunks();
        let share = lines.len().div_ceil(tiles);
        let lines = lines.get(tile * share..).unwrap_or_default();
        let (lines, _) = lines.split_at(share.min(lines.len()));
        Self { lines, at_once: share.div_ceil(steps), is_near: tiles > 1 }
    }

    /// Asks for some more of it.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        let (now, later) = self.lines.split_at(self.at_once.min(self.lines.len()));
        for line in now {
            fetch(line, self.is_near);
        }
        self.lines = later;
    }
}
