//! What has arrived of an answer, readable while it streams.
//!
//! The adapter writes it, and whoever shows progress, runs out of time or has to estimate what a broken call
//! cost reads it. It outlives the call: a future that was dropped leaves its draft behind.

use std::sync::{Mutex, PoisonError};

use crate::domain::model::ModelRef;
use crate::domain::usage::Usage;

/// The answer of the call under way.
#[derive(Default)]
pub struct Draft(Mutex<Arrived>);

/// What a draft holds.
#[derive(Clone, Default)]
pub struct Arrived {
    /// Who is being asked; absent before the first call.
    pub reference: Option<ModelRef>,
    /// Calls begun for this request.
    pub calls: usize,
    pub text: String,
    /// The last that the provider said; output tokens may still grow.
    pub usage: Option<Usage>,
}

impl Draft {
    /// Forgets what arrived of the call before, because another one begins.
    pub fn begin(&self, reference: &ModelRef) {
        self.with(|arrived| {
            *arrived = Arrived {
                reference: Some(reference.clone()),
                calls: arrived.calls + 1,
                ..Arrived::default()
            };
        });
    }

    /// Adds text that arrived.
    pub fn push(&self, text: &str) {
        self.with(|arrived| arrived.text.push_str(text));
    }

    /// Notes what the provider says it has billed so far.
    pub fn set_usage(&self, usage: Usage) {
        self.with(|arrived| arrived.usage = Some(usage));
    }

    /// Takes the text out, because the answer is complete.
    pub fn take_text(&self) -> String {
        self.with(|arrived| std::mem::take(&mut arrived.text))
    }

    /// Copies what has arrived.
    pub fn arrived(&self) -> Arrived {
        self.with(|arrived| arrived.clone())
    }

    /// Looks at what has arrived, without a copy of the text.
    pub fn with<T>(&self, look: impl FnOnce(&mut Arrived) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Arrived {
    /// Leaves out the text: answers are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrived")
            .field("reference", &self.reference)
            .field("text_bytes", &self.text.len())
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Draft {
    /// Leaves out the text: answers are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").finish_non_exhaustive()
    }
}
