//! One piece of memory for all packed weights, in pages as large as the system gives.
//!
//! With pages of 2 MB the weights stream from memory a third faster than with pages of 4 kB: a short text
//! needs all of them once and takes hardly longer than that. Invariant: every place starts a cache line.

use std::io;
use std::ops::Range;

use memmap2::MmapMut;
use pulp::bytemuck::{Pod, cast_slice, cast_slice_mut};

use super::LINE;

/// Memory of a fixed size, handed out from its start.
#[derive(Debug)]
pub(super) struct Arena {
    memory: MmapMut,
    used: usize,
}

/// Where some numbers are in an [`Arena`].
#[derive(Debug)]
pub(super) struct Place(Range<usize>);

impl Arena {
    /// Gets so many bytes, all zero.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let memory = MmapMut::map_anon(bytes)?;
        // Only a wish: without it everything works as well, with more work for the memory's tables.
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Ok(Self { memory, used: 0 })
    }

    /// Hands out room for so many numbers; too little of it where there is no more.
    pub(super) fn take<T: Pod>(&mut self, numbers: usize) -> Place {
        let start = self.used.next_multiple_of(LINE).min(self.memory.len());
        self.used = (start + numbers * size_of::<T>()).min(self.memory.len());
        Place(start..self.used)
    }

    pub(super) fn get<T: Pod>(&self, place: &Place) -> &[T] {
        cast_slice(self.memory.get(place.0.clone()).unwrap_or_default())
    }

    pub(super) fn get_mut<T: Pod>(&mut self, place: &Place) -> &mut [T] {
        cast_slice_mut(self.memory.get_mut(place.0.clone()).unwrap_or_default())
    }
}
