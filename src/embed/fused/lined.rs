//! Numbers that begin where a cache line does, so that no vector lies across two lines.

use std::ops::{Deref, DerefMut};

use super::LINE;

/// A slice of numbers, aligned to a cache line.
#[derive(Debug)]
pub(super) struct Lined<T> {
    numbers: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Lined<T> {
    pub(super) fn new(len: usize) -> Self {
        let numbers = vec![T::default(); len + LINE / size_of::<T>()];
        let start = numbers.as_ptr().align_offset(LINE).min(numbers.len() - len);
        Self { numbers, start, len }
    }
}

impl<T> Deref for Lined<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.numbers.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl<T> DerefMut for Lined<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.numbers.get_mut(self.start..self.start + self.len).unwrap_or_default()
    }
}
