//! What waits to be embedded: short texts and long ones, so that the long never hold back the short.
//!
//! It embeds nothing. Invariants: it holds a bounded number of texts, those whose callers are gone are
//! never handed out, and each kind leaves in the order in which it came.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{EmbedError, Embedded};

/// Texts that may wait.
pub(super) const CAPACITY: usize = 256;

/// A text of at most so many bytes is short: some 100 word pieces.
const SHORT_BYTES: usize = 400;

/// Short texts that are embedded at once; their vectors arrive together, so they are few.
const TOGETHER: usize = 8;

/// A text with where its embedding goes.
pub(super) struct Request {
    pub(super) text: String,
    pub(super) reply: oneshot::Sender<Result<Embedded, EmbedError>>,
}

/// What a thread takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Short texts only: this thread is there for them.
    Short,
    /// A long text, and short ones where none is long.
    LongFirst,
    /// Short texts, and a long one where none is short.
    ShortFirst,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    short: VecDeque<Request>,
    long: VecDeque<Request>,
    is_closed: bool,
}

/// Why a text is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl Queue {
    /// Takes a text in. Does not block.
    pub(super) fn push(&self, request: Request) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(Refused::Closed);
        }
        if waiting.short.len() + waiting.long.len() >= CAPACITY {
            waiting.drop_abandoned();
        }
        if waiting.short.len() + waiting.long.len() >= CAPACITY {
            return Err(Refused::Full);
        }
        let line = if request.text.len() <= SHORT_BYTES { &mut waiting.short } else { &mut waiting.long };
        line.push_back(request);
        drop(waiting);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for texts of the kind whose turn it is; `None` once the queue is closed and has no more of them.
    pub(super) fn take(&self, turn: Turn) -> Option<Vec<Request>> {
        let mut waiting = self.lock();
        loop {
            waiting.drop_abandoned();
            let taken = match turn {
                Turn::Short => waiting.take_short(),
                Turn::LongFirst => {
                    waiting.long.pop_front().map(|one| vec![one]).or_else(|| waiting.take_short())
                }
                Turn::ShortFirst => {
                    waiting.take_short().or_else(|| waiting.long.pop_front().map(|one| vec![one]))
                }
            };
            if taken.is_some() || waiting.is_closed {
                return taken;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing in any more; what waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Lets go of everything: nobody is there any more to take it.
    pub(super) fn abandon(&self) {
        let mut waiting = self.lock();
        *waiting = Waiting { is_closed: true, ..Waiting::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Lets go of texts whose callers have given up.
    fn drop_abandoned(&mut self) {
        for line in [&mut self.short, &mut self.long] {
            line.retain(|request| !request.reply.is_closed());
        }
    }

    fn take_short(&mut self) -> Option<Vec<Request>> {
        let count = self.short.len().min(TOGETHER);
        (count > 0).then(|| self.short.drain(..count).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<Embedded, EmbedError>>;

    fn push(queue: &Queue, text: &str) -> Answer {
        let (reply, answer) = oneshot::channel();
        queue.push(Request { text: text.to_owned(), reply }).unwrap();
        answer
    }

    fn take(queue: &Queue, turn: Turn) -> Vec<String> {
        queue.take(turn).unwrap_or_default().into_iter().map(|request| request.text).collect()
    }

    #[test]
    fn short_texts_do_not_wait_for_long_ones_and_leave_together() {
        let queue = Queue::default();
        let long = "long ".repeat(100);
        let _answers = [&*long, "a", "b", &*long, "c"].map(|text| push(&queue, text));
        assert_eq!(take(&queue, Turn::Short), ["a", "b", "c"]);
        assert_eq!(take(&queue, Turn::LongFirst), [&*long]);
        let _answer = push(&queue, "d");
        assert_eq!(take(&queue, Turn::ShortFirst), ["d"]);
        assert_eq!(take(&queue, Turn::ShortFirst), [&*long]);
        let _answers = ["e"; TOGETHER + 1].map(|text| push(&queue, text));
        assert_eq!(take(&queue, Turn::LongFirst).len(), TOGETHER);
        queue.close();
        assert_eq!(take(&queue, Turn::LongFirst), ["e"], "what waits is still handed out");
        assert!(queue.take(Turn::Short).is_none());
    }

    #[test]
    fn a_text_whose_caller_is_gone_makes_room_and_is_not_handed_out() {
        let queue = Queue::default();
        let mut answers: Vec<Answer> = (0..CAPACITY).map(|_| push(&queue, "a")).collect();
        let refused = |text: &str| {
            let (reply, _answer) = oneshot::channel();
            queue.push(Request { text: text.to_owned(), reply }).err()
        };
        assert_eq!(refused("b"), Some(Refused::Full));
        answers.truncate(1);
        let _answer = push(&queue, "c");
        assert_eq!(take(&queue, Turn::Short), ["a", "c"]);
        queue.close();
        assert_eq!(refused("d"), Some(Refused::Closed));
    }
}
