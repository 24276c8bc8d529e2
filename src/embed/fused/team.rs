//! Two threads on one long sequence: each has half of its rows, and both see all keys and values.
//!
//! Half of the rows, not half of the columns: then they meet once a layer, and everything that a
//! thread writes is its own, but the keys and values, which are behind locks that nobody waits for.
//! Invariant: a thread that panics takes the other with it, instead of leaving it to wait.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use super::Row;
use super::attention::Memory;
use super::encoder::{Encoder, sum, to_length_1};
use super::lanes::Width;
use super::rows::Rows;

impl Width {
    /// Gives where to cut a sequence in two: near its middle, and where a vector ends, so that both
    /// halves add up in the order in which one thread would.
    fn middle(self, rows: usize) -> usize {
        let columns = self.columns();
        let middle = (rows + columns) / (2 * columns) * columns;
        if middle < rows { middle.max(1) } else { rows.div_ceil(2) }
    }

    /// Gives the rows of the longer half, at most.
    fn longest_half(self, longest: usize) -> usize {
        longest.div_ceil(2) + self.columns()
    }
}

/// How often a thread looks whether the other has come, before it lets others have its core.
const LOOKS: usize = 2_000;

/// A thread and its helper, which waits between the calls and ends with it.
pub struct Team {
    meeting: Arc<Meeting>,
    first: Half,
    helper: Option<JoinHandle<()>>,
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team").field("encoder", &self.meeting.encoder).finish_non_exhaustive()
    }
}

/// What one of the two threads owns.
struct Half {
    index: usize,
    rows: Rows,
}

/// Where the two meet.
struct Meeting {
    encoder: Arc<Encoder>,
    order: Mutex<Order>,
    changed: Condvar,
    /// By layer, even and odd, so that one is written while the other is still read; then by thread.
    memories: [[RwLock<Memory>; 2]; 2],
    arrived: AtomicUsize,
    broken: AtomicBool,
    pieces: RwLock<Vec<u32>>,
}

enum Order {
    Wait,
    Go,
    Done(io::Result<Box<Row>>),
    End,
}

impl Team {
    /// Starts the helper.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn new(encoder: Arc<Encoder>) -> io::Result<Self> {
        let half = |index| {
            let longest = encoder.longest();
            let rows =
                Rows::new(encoder.width, encoder.precision, encoder.width.longest_half(longest), longest);
            Half { index, rows }
        };
        let (first, mut second) = (half(0), half(1));
        let memory =
            || RwLock::new(Memory::new(encoder.width, encoder.width.longest_half(encoder.longest())));
        let meeting = Arc::new(Meeting {
            order: Mutex::new(Order::Wait),
            changed: Condvar::new(),
            memories: [[memory(), memory()], [memory(), memory()]],
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            pieces: RwLock::new(Vec::with_capacity(encoder.longest())),
            encoder,
        });
        let shared = Arc::clone(&meeting);
        let helper = thread::Builder::new().name("embed-helper".to_owned()).spawn(move || {
            while shared.wait_for_work() {
                let sum = second.encode(&shared);
                shared.give(Order::Done(sum.map(Box::new)));
            }
        })?;
        Ok(Self { meeting, first, helper: Some(helper) })
    }

    /// Encodes one sequence of at least two word pieces.
    ///
    /// # Errors
    /// When a word's row cannot be read.
    pub fn encode(&mut self, pieces: &[u32]) -> io::Result<Row> {
        self.meeting.encoder.words.file.check()?;
        if self.meeting.broken.load(Ordering::Acquire) {
            return Err(broken());
        }
        {
            let mut shared = self.meeting.pieces.write().unwrap_or_else(PoisonError::into_inner);
            shared.clear();
            shared.extend_from_slice(pieces);
        }
        self.meeting.arrived.store(0, Ordering::Release);
        self.meeting.give(Order::Go);
        let first = self.first.encode(&self.meeting);
        let second = self.meeting.take_sum();
        let (mut vector, second) = (first?, second?);
        for (number, other) in vector.iter_mut().zip(second) {
            *number += other;
        }
        to_length_1(&mut vector);
        Ok(vector)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.meeting.give(Order::End);
        if let Some(helper) = self.helper.take() {
            // A helper that panicked has said so already.
            let _ = helper.join();
        }
    }
}

impl Half {
    /// Does this half's rows, and gives their sum.
    fn encode(&mut self, meeting: &Meeting) -> io::Result<Row> {
        let breaks = BreaksUnlessDone { meeting };
        let encoder = &meeting.encoder;
        let pieces = meeting.pieces.read().unwrap_or_else(PoisonError::into_inner);
        let middle = encoder.width.middle(pieces.len());
        let (start, own) = match (self.index, pieces.split_at_checked(middle)) {
            (0, Some((own, _))) => (0, own),
            (_, Some((_, own))) => (middle, own),
            (_, None) => (0, pieces.as_slice()),
        };
        self.rows.resize(own.len());
        let looked_up = encoder.look_up(own, start, &mut self.rows.at);
        self.rows.normalise(&encoder.after_words);
        for (number, layer) in encoder.layers.iter().enumerate() {
            self.rows.project(&encoder.arena, layer);
            let [even, odd] = &meeting.memories;
            let memories = if number % 2 == 0 { even } else { odd };
            if let Some(memory) = memories.get(self.index) {
                let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
                memory.pack(encoder.width, &self.rows.keys, &self.rows.values);
            }
            meeting.meet(2 * (number + 1));
            let [first, second] =
                memories.each_ref().map(|memory| memory.read().unwrap_or_else(PoisonError::into_inner));
            self.rows.attend(0, own.len(), &[&first, &second]);
            drop((first, second));
            self.rows.finish(&encoder.arena, layer);
        }
        std::mem::forget(breaks);
        looked_up.map(|()| sum(&self.rows.at))
    }
}

impl Meeting {
    /// Waits until so many have arrived, both threads counted, over all layers.
    fn meet(&self, expected: usize) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0;
        while self.arrived.load(Ordering::Acquire) < expected {
            assert!(!self.broken.load(Ordering::Acquire), "the other half of the work has panicked");
            looks += 1;
            if looks < LOOKS { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }

    fn give(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
        self.changed.notify_all();
    }

    /// Waits for work; false at the end.
    fn wait_for_work(&self) -> bool {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *order {
                Order::Go => {
                    *order = Order::Wait;
                    return true;
                }
                Order::End => return false,
                Order::Wait | Order::Done(_) => {
                    order = self.changed.wait(order).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn take_sum(&self) -> io::Result<Row> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.broken.load(Ordering::Acquire) {
                return Err(broken());
            }
            match std::mem::replace(&mut *order, Order::Wait) {
                Order::Done(sum) => return sum.map(|sum| *sum),
                other => *order = other,
            }
            order = self.changed.wait(order).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("one of two threads has panicked")
}

/// Says that a half broke off, if it is dropped.
struct BreaksUnlessDone<'a> {
    meeting: &'a Meeting,
}

impl Drop for BreaksUnlessDone<'_> {
    fn drop(&mut self) {
        let _order = self.meeting.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.meeting.broken.store(true, Ordering::Release);
        self.meeting.changed.notify_all();
    }
}
