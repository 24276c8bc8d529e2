//! How far a request has come, for whoever shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::providers::Draft;

/// What a request is doing.
#[derive(Debug, Clone, Default)]
enum Stage {
    #[default]
    Cache,
    Routing,
    Asking(Arc<Draft>),
}

/// The progress of one request; it is written by the pipeline and read by a surface.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    stage: Mutex<Stage>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now(), stage: Mutex::default() }
    }
}

impl Progress {
    /// Gives the seconds since the request came.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Says in a few words what is being done; no word of prompt or answer is in them.
    pub fn message(&self) -> String {
        match self.stage() {
            Stage::Cache => "looking into the cache".to_owned(),
            Stage::Routing => "choosing a model".to_owned(),
            Stage::Asking(draft) => draft.with(|arrived| match &arrived.reference {
                None => "about to ask".to_owned(),
                Some(reference) => {
                    let again =
                        if arrived.calls > 1 { format!(", call {}", arrived.calls) } else { String::new() };
                    match arrived.text.chars().count() {
                        0 => format!("waiting for {reference}{again}"),
                        characters => format!("{reference} answers{again}: {characters} characters so far"),
                    }
                }
            }),
        }
    }

    pub(super) fn is_routing(&self) {
        self.enter(Stage::Routing);
    }

    pub(super) fn is_asking(&self, draft: &Arc<Draft>) {
        self.enter(Stage::Asking(Arc::clone(draft)));
    }

    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn stage(&self) -> Stage {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
