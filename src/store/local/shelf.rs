//! Vectors of one kind in memory: which rows are worth an exact look.
//!
//! Rows are added with rising numbers and stay in that order, so that one is found by halving. One that goes is
//! only marked, and the marked are cleared away when they are most of the shelf: taking out many costs no more
//! than a few passes.

use super::quantised::{Bytes, Wanted, quantise};

/// Rows multiplied at a time; their products fit the fastest cache.
const AT_A_TIME: usize = 256;

/// Vectors that may be compared with each other.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// In rising order.
    row_numbers: Vec<i64>,
    bytes: Vec<Bytes>,
    /// What turns a product into a cosine; not a number for a row that is gone.
    scales: Vec<f32>,
    /// First microsecond at which the row is not to be found any more.
    ends: Vec<i64>,
    gone: usize,
}

/// A row that looks near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// About the cosine.
    pub(super) similarity: f32,
    pub(super) row_number: i64,
}

impl Shelf {
    /// Makes a shelf with room.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            row_numbers: Vec::with_capacity(rows),
            bytes: Vec::with_capacity(rows),
            scales: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            gone: 0,
        }
    }

    /// Adds a row, whose number must be above all others; one whose numbers are no vector is left out.
    pub(super) fn add(&mut self, row_number: i64, numbers: &[f32], ends: i64) {
        debug_assert!(self.row_numbers.last().is_none_or(|last| *last < row_number));
        if let Some((bytes, scale)) = quantise(numbers) {
            self.row_numbers.push(row_number);
            self.bytes.push(bytes);
            self.scales.push(scale);
            self.ends.push(ends);
        }
    }

    /// Takes a row out, if it is here.
    pub(super) fn remove(&mut self, row_number: i64) {
        if let Ok(place) = self.row_numbers.binary_search(&row_number) {
            self.mark(place);
            self.clear_away_if_most_are_gone();
        }
    }

    /// Takes out all rows whose numbers are below one.
    pub(super) fn remove_before(&mut self, row_number: i64) {
        let end = self.row_numbers.partition_point(|earlier| *earlier < row_number);
        (0..end).for_each(|place| self.mark(place));
        self.clear_away_if_most_are_gone();
    }

    fn mark(&mut self, place: usize) {
        if let Some(scale) = self.scales.get_mut(place).filter(|scale| !scale.is_nan()) {
            *scale = f32::NAN;
            self.gone += 1;
        }
    }

    fn clear_away_if_most_are_gone(&mut self) {
        if self.gone * 2 > self.row_numbers.len() {
            self.clear_away();
        }
    }

    fn clear_away(&mut self) {
        let stays: Vec<bool> = self.scales.iter().map(|scale| !scale.is_nan()).collect();
        keep(&mut self.row_numbers, &stays);
        keep(&mut self.bytes, &stays);
        keep(&mut self.scales, &stays);
        keep(&mut self.ends, &stays);
        self.gone = 0;
    }

    /// Finds the rows that look nearest at a time (microseconds), nearest first.
    pub(super) fn nearest(&self, wanted: &Wanted, limit: usize, now: i64) -> Vec<Near> {
        let mut nearest: Vec<Near> = Vec::with_capacity(limit + 1);
        let mut products = [0; AT_A_TIME];
        let blocks = self
            .bytes
            .chunks(AT_A_TIME)
            .zip(self.scales.chunks(AT_A_TIME))
            .zip(self.row_numbers.chunks(AT_A_TIME).zip(self.ends.chunks(AT_A_TIME)));
        for ((bytes, scales), (row_numbers, ends)) in blocks {
            wanted.products(bytes, &mut products);
            for (((product, scale), row_number), ends) in
                products.iter().zip(scales).zip(row_numbers).zip(ends)
            {
                let similarity = *product as f32 * scale * wanted.scale();
                let is_near = match nearest.get(limit.saturating_sub(1)) {
                    Some(last) => similarity > last.similarity,
                    None => similarity.is_finite(),
                };
                if is_near && *ends > now {
                    let place = nearest.partition_point(|near| near.similarity >= similarity);
                    nearest.insert(place, Near { similarity, row_number: *row_number });
                    nearest.truncate(limit);
                }
            }
        }
        nearest
    }
}

fn keep<T>(values: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    values.retain(|_| stays.next().is_some_and(|stays| *stays));
    values.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::embedding::DIMENSIONS;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A vector at an angle (degrees) to the first axis.
    fn at(degrees: u16) -> Vec<f32> {
        let mut numbers = vec![0.0; DIMENSIONS];
        (numbers[0], numbers[1]) =
            (f32::from(degrees).to_radians().cos(), f32::from(degrees).to_radians().sin());
        numbers
    }

    proptest! {
        #[test]
        fn a_shelf_holds_what_was_added_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0_u16..200), 1..200),
        ) {
            let mut shelf = Shelf::default();
            let mut rows: BTreeMap<i64, u16> = BTreeMap::new();
            for (number, (is_added, value)) in steps.iter().enumerate() {
                if *is_added {
                    let row = i64::try_from(number).expect("few steps");
                    shelf.add(row, &at(value % 90), i64::MAX);
                    rows.insert(row, value % 90);
                } else {
                    shelf.remove(i64::from(*value));
                    rows.remove(&i64::from(*value));
                }
            }
            let wanted = Wanted::new(&at(0)).expect("a direction");
            let found = shelf.nearest(&wanted, 200, 0);
            prop_assert!(found.is_sorted_by(|left, right| left.similarity >= right.similarity));
            let mut numbers: Vec<i64> = found.iter().map(|near| near.row_number).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, rows.keys().copied().collect::<Vec<_>>());
            let five = shelf.nearest(&wanted, 5, 0);
            prop_assert_eq!(&five[..], &found[..found.len().min(5)]);
        }
    }

    #[test]
    fn all_rows_before_one_can_be_taken_out() {
        let mut shelf = Shelf::default();
        (1..10).for_each(|row| shelf.add(row, &at(1), i64::MAX));
        let wanted = Wanted::new(&at(0)).expect("a direction");
        for (first, left) in [(1, 9), (3, 7), (3, 7), (8, 2), (i64::MAX, 0)] {
            shelf.remove_before(first);
            assert_eq!(shelf.nearest(&wanted, 20, 0).len(), left, "before {first}");
        }
    }

    #[test]
    fn a_row_that_has_ended_is_not_found() {
        let mut shelf = Shelf::default();
        shelf.add(1, &at(1), 10);
        shelf.add(2, &at(2), 20);
        let wanted = Wanted::new(&at(0)).expect("a direction");
        let found = |now| shelf.nearest(&wanted, 1, now).first().map(|near| near.row_number);
        assert_eq!((found(9), found(10), found(20)), (Some(1), Some(2), None));
    }
}
