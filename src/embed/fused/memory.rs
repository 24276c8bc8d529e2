//! Keys and values of some rows, packed by head as attention reads them.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use super::lanes::{Kernel, Lanes, Width};
use super::lined::Lined;
use super::machine::HalfProducts;
use super::square::{Precision, half_pair};
use super::{HEAD, HEADS, Row, SIDE};

/// What rows of one sequence remember.
pub(super) struct Memory {
    width: Width,
    /// Where they are there, numbers are 16-bit floats, two in a lane.
    pub(super) products: Option<HalfProducts>,
    /// Rows that are there, and with those that fill up the last vector.
    pub(super) rows: usize,
    pub(super) padded: usize,
    /// By head, then by as many rows as a tile is wide, then by number of the head; two of these share a lane.
    keys: Lined<f32>,
    /// By head, then by as many of its numbers as a tile is wide, then by row; two of these share a lane.
    values: Lined<f32>,
}

impl Memory {
    pub(super) fn new((width, precision): (Width, Precision), rows: usize) -> Self {
        let padded = rows.next_multiple_of(width.columns());
        let products = if precision == Precision::F32 { None } else { width.half_products() };
        let room = || Lined::new(padded * SIDE);
        Self { width, products, rows: 0, padded: 0, keys: room(), values: room() }
    }

    /// Packs keys and values; there is room for as many rows as it was made for.
    pub(super) fn pack(&mut self, keys: &[Row], values: &[Row]) {
        self.width.run(Pack { memory: self, keys, values });
    }

    /// Gives the keys of a head.
    pub(super) fn keys(&self, head: usize) -> &[f32] {
        &self.keys[head * self.of_head()..][..self.of_head()]
    }

    /// Gives the values of a head.
    pub(super) fn values(&self, head: usize) -> &[f32] {
        &self.values[head * self.of_head()..][..self.of_head()]
    }

    /// Gives the lanes that so many numbers take.
    pub(super) fn lanes(&self, numbers: usize) -> usize {
        if self.products.is_some() { numbers / 2 } else { numbers }
    }

    fn of_head(&self) -> usize {
        self.lanes(self.padded * HEAD)
    }
}

struct Pack<'a> {
    memory: &'a mut Memory,
    keys: &'a [Row],
    values: &'a [Row],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, _: S) {
        let columns = VECTORS * S::F32_LANES;
        self.memory.rows = self.keys.len();
        self.memory.padded = self.keys.len().next_multiple_of(columns);
        match self.memory.products {
            None => self.floats(columns),
            Some(_) => self.pairs(columns),
        }
    }
}

impl Pack<'_> {
    #[inline(always)]
    fn floats(self, columns: usize) {
        let Memory { padded, keys, values, .. } = self.memory;
        let of_head = *padded * HEAD;
        for row in 0..*padded {
            let (key, value) = (row_or_zeros(self.keys, row), row_or_zeros(self.values, row));
            for head in 0..HEADS {
                let start = head * of_head + row / columns * columns * HEAD + row % columns;
                for (at, key) in key[head].iter().enumerate() {
                    keys[start + at * columns] = *key;
                }
                for (panel, value) in value[head].chunks(columns).enumerate() {
                    let start = head * of_head + (panel * *padded + row) * columns;
                    values[start..start + value.len()].copy_from_slice(value);
                }
            }
        }
    }

    #[inline(always)]
    fn pairs(self, columns: usize) {
        let Memory { padded, keys, values, .. } = self.memory;
        let of_head = *padded * HEAD / 2;
        for row in 0..*padded {
            for (head, key) in row_or_zeros(self.keys, row).iter().enumerate() {
                let start = head * of_head + row / columns * columns * (HEAD / 2) + row % columns;
                for (at, [low, high]) in key.as_chunks::<2>().0.iter().enumerate() {
                    keys[start + at * columns] = f32::from_bits(half_pair(*low, *high));
                }
            }
        }
        for row in (0..*padded).step_by(2) {
            let (low, high) = (row_or_zeros(self.values, row), row_or_zeros(self.values, row + 1));
            for (head, (low, high)) in low.iter().zip(high).enumerate() {
                let start = head * of_head + row * (HEAD / 2);
                for ((value, low), high) in values[start..start + HEAD].iter_mut().zip(low).zip(high) {
                    *value = f32::from_bits(half_pair(*low, *high));
                }
            }
        }
    }
}

/// Gives a row by heads, or zeros where there is none.
#[inline(always)]
fn row_or_zeros(rows: &[Row], row: usize) -> &[[f32; HEAD]] {
    const ZEROS: &Row = &[0.0; SIDE];
    rows.get(row).unwrap_or(ZEROS).as_chunks().0
}
