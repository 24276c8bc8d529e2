//! Two threads on one long sequence: each has half of its rows, and both see all keys and values.
//!
//! Half of the rows, not half of the columns: then they meet once a layer, and everything that a
//! thread writes is its own, but the keys and values, which are behind locks that nobody waits for.
//!
//! The helper sleeps between calls, and a system may take milliseconds to let it run, or wake it on the core that the
//! other thread is using. So the work begins without it; its half is given to it before whichever layer comes next
//! once it is there, on a core of its own: one that wakes on the other thread's core moves away.
//! Invariants: a thread that panics takes the other with it, instead of leaving it to wait; from 24 word pieces on a vector
//! is the same to the bit, whenever the helper comes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use super::Row;
use super::cores;
use super::encoder::{Encoder, Solo, mean, sum};
use super::lanes::Width;
use super::memory::Memory;
use super::rows::Rows;

impl Width {
    /// Gives where to cut a sequence in two: near its middle, and where a vector ends, so that both
    /// halves add up in the order in which one thread does.
    pub(super) fn middle(self, rows: usize) -> usize {
        let lanes = self.columns() / 2;
        let middle = (rows + lanes) / (2 * lanes) * lanes;
        if middle < rows { middle.max(1) } else { rows.div_ceil(2) }
    }

    /// Gives the rows of the longer half, at most.
    fn longest_half(self, longest: usize) -> usize {
        longest.div_ceil(2) + self.columns() / 2
    }
}

/// How often a thread looks whether the other has come, before it lets others have its core.
const LOOKS: usize = 2_000;

/// A helper for one thread, which waits between the calls and ends with it.
pub struct Team {
    meeting: Arc<Meeting>,
    calls: u64,
    cores: usize,
    helper: Option<JoinHandle<()>>,
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team").field("encoder", &self.meeting.encoder).finish_non_exhaustive()
    }
}

/// Where the two meet.
struct Meeting {
    encoder: Arc<Encoder>,
    order: Mutex<Order>,
    changed: Condvar,
    /// The call that the helper has come for.
    here: AtomicU64,
    /// The core that the other thread was on when it called.
    core: AtomicUsize,
    decision: AtomicU64,
    /// The rows that the helper is to go on with.
    given: Mutex<Vec<Row>>,
    /// By layer, even and odd, so that one is written while the other is still read; then by thread.
    memories: [[RwLock<Memory>; 2]; 2],
    arrived: AtomicUsize,
    broken: AtomicBool,
}

enum Order {
    Wait,
    /// Come for a call.
    Go(u64),
    Done(Box<Row>),
    End,
}

/// What the helper is to do in a call: to begin with a layer, or nothing any more.
#[derive(Clone, Copy)]
struct Decision {
    call: u64,
    layer: Option<usize>,
}

impl Decision {
    const NOTHING: u64 = 0xff;

    fn to_bits(self) -> u64 {
        (self.call << 8) | self.layer.map_or(Self::NOTHING, |layer| layer as u64)
    }

    fn from_bits(bits: u64) -> Self {
        let layer = bits & 0xff;
        Self { call: bits >> 8, layer: if layer == Self::NOTHING { None } else { Some(layer as usize) } }
    }
}

impl Team {
    /// Starts the helper.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn new(encoder: Arc<Encoder>) -> io::Result<Self> {
        let kernels = (encoder.width, encoder.precision);
        let (longest, half) = (encoder.longest(), encoder.width.longest_half(encoder.longest()));
        let memory = || RwLock::new(Memory::new(kernels, half));
        let meeting = Arc::new(Meeting {
            order: Mutex::new(Order::Wait),
            changed: Condvar::new(),
            here: AtomicU64::new(0),
            core: AtomicUsize::new(usize::MAX),
            decision: AtomicU64::new(0),
            given: Mutex::new(Vec::with_capacity(half)),
            memories: [[memory(), memory()], [memory(), memory()]],
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            encoder,
        });
        let shared = Arc::clone(&meeting);
        let mut rows = Rows::new(kernels.0, kernels.1, half, longest);
        let helper = thread::Builder::new().name("embed-helper".to_owned()).spawn(move || {
            while let Some(call) = shared.wait_for_work() {
                let breaks = BreaksUnlessDone { meeting: &shared };
                if let Some(sum) = shared.help(call, &mut rows) {
                    shared.give(Order::Done(Box::new(sum)));
                }
                std::mem::forget(breaks);
            }
        })?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { meeting, calls: 0, cores, helper: Some(helper) })
    }

    /// Says whether there is a core for the helper beside this thread and those that encode alone.
    pub fn has_room(&self) -> bool {
        self.meeting.encoder.busy.load(Ordering::Relaxed) + 2 <= self.cores
    }

    /// Encodes one sequence of at least two word pieces, on `solo`'s thread and, once it is there, the helper.
    ///
    /// # Errors
    /// When a word's row cannot be read.
    pub fn encode(&mut self, solo: &mut Solo, pieces: &[u32]) -> io::Result<Row> {
        self.encode_if(solo, pieces, |_, is_here| is_here)
    }

    /// The same, with the helper from the first layer on for which that is wanted.
    pub(super) fn encode_if(
        &mut self,
        solo: &mut Solo,
        pieces: &[u32],
        is_wanted: impl Fn(usize, bool) -> bool,
    ) -> io::Result<Row> {
        let meeting = &*self.meeting;
        if meeting.broken.load(Ordering::Acquire) {
            return Err(broken());
        }
        self.calls += 1;
        let call = self.calls;
        let breaks = BreaksUnlessDone { meeting };
        meeting.core.store(cores::current().unwrap_or(usize::MAX), Ordering::Relaxed);
        meeting.give(Order::Go(call));
        let begun = solo.begin(&[pieces]);
        let layers = if begun.is_ok() { meeting.encoder.layers.len() } else { 0 };
        let mut joined = None;
        for layer in 0..layers {
            if joined.is_none() && is_wanted(layer, meeting.here.load(Ordering::Acquire) == call) {
                joined = Some(layer);
                meeting.share(&mut solo.rows, Decision { call, layer: joined });
            }
            match joined {
                Some(first) => meeting.layer(&mut solo.rows, 0, layer, first),
                None => solo.layer(layer, &[pieces]),
            }
        }
        if joined.is_none() {
            meeting.withdraw(call);
        }
        std::mem::forget(breaks);
        begun?;
        Ok(match joined {
            Some(_) => mean(sum(&solo.rows.at), &*meeting.take_sum()?),
            None => solo.mean_of(&solo.rows.at),
        })
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

impl Meeting {
    /// Gives the second half of the rows to the helper.
    fn share(&self, rows: &mut Rows, decision: Decision) {
        let middle = self.encoder.width.middle(rows.at.len());
        {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            given.clear();
            given.extend_from_slice(rows.at.get(middle..).unwrap_or_default());
        }
        rows.resize(middle);
        self.arrived.store(0, Ordering::Relaxed);
        self.decision.store(decision.to_bits(), Ordering::Release);
    }

    /// Lets the helper do nothing in a call, whether it has come for it or not.
    fn withdraw(&self, call: u64) {
        self.decision.store(Decision { call, layer: None }.to_bits(), Ordering::Release);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*order, Order::Go(_)) {
            *order = Order::Wait;
        }
    }

    /// Does the helper's part of a call, and gives the sum of its rows; `None` where it has none.
    fn help(&self, call: u64, rows: &mut Rows) -> Option<Row> {
        let taken = self.core.load(Ordering::Relaxed);
        if cores::current() == Some(taken) {
            cores::leave(taken);
        }
        self.here.store(call, Ordering::Release);
        let mut decision = Decision { call: 0, layer: None };
        self.look_until(|| {
            decision = Decision::from_bits(self.decision.load(Ordering::Acquire));
            decision.call >= call
        });
        let first = decision.layer.filter(|_| decision.call == call)?;
        {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            rows.resize(given.len());
            rows.at.copy_from_slice(&given);
        }
        for layer in first..self.encoder.layers.len() {
            self.layer(rows, 1, layer, first);
        }
        Some(sum(&rows.at))
    }

    /// Does one layer of the rows of one thread, which have been shared since the layer `first`.
    fn layer(&self, rows: &mut Rows, thread: usize, number: usize, first: usize) {
        let Some(layer) = self.encoder.layers.get(number) else { return };
        rows.project(&self.encoder.arena, layer);
        let [even, odd] = &self.memories;
        let memories = if number.is_multiple_of(2) { even } else { odd };
        if let Some(memory) = memories.get(thread) {
            let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.pack(&rows.keys, &rows.values);
        }
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let expected = 2 * (number - first + 1);
        self.look_until(|| self.arrived.load(Ordering::Acquire) >= expected);
        let both = memories.each_ref().map(|memory| memory.read().unwrap_or_else(PoisonError::into_inner));
        rows.attend(0, rows.at.len(), &both.each_ref().map(|memory| &**memory));
        drop(both);
        rows.finish(&self.encoder.arena, layer);
    }

    /// Looks until something is so.
    fn look_until(&self, mut is_so: impl FnMut() -> bool) {
        let mut looks = 0;
        while !is_so() {
            assert!(!self.broken.load(Ordering::Acquire), "the other half of the work has panicked");
            looks += 1;
            if looks < LOOKS { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }

    fn give(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
        self.changed.notify_all();
    }

    /// Waits for a call; `None` at the end.
    fn wait_for_work(&self) -> Option<u64> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *order {
                Order::Go(call) => {
                    *order = Order::Wait;
                    return Some(call);
                }
                Order::End => return None,
                Order::Wait | Order::Done(_) => {
                    order = self.changed.wait(order).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn take_sum(&self) -> io::Result<Box<Row>> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.broken.load(Ordering::Acquire) {
                return Err(broken());
            }
            match std::mem::replace(&mut *order, Order::Wait) {
                Order::Done(sum) => return Ok(sum),
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
