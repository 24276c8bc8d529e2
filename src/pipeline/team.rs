//! One pipeline for each user of a server for several.
//!
//! What a user's prompts teach, and what is under way for them, is that user's alone. Shared is what says nothing of
//! anybody: models, prices, the embedder, providers and whether they are left alone for a while, and how the program
//! ends.

use std::sync::Arc;

use super::{Calibrations, Experiments, Flights, Learning, Pipeline, Sessions, Trials};
use crate::domain::ids::UserId;
use crate::store::Store;
use crate::store::tally::Tally;

impl Pipeline {
    /// Makes a pipeline for another user, over that user's store; a tally counts what is spent beside it.
    ///
    /// Every field is named, so that a new one is shared by decision alone.
    #[must_use]
    pub fn of_another_user(&self, user: UserId, store: Arc<dyn Store>, tally: Option<Tally>) -> Self {
        Self {
            settings: self.settings.clone(),
            models: Arc::clone(&self.models),
            catalogue: Arc::clone(&self.catalogue),
            store,
            embedder: self.embedder.clone(),
            providers: self.providers.clone(),
            payments: self.payments.clone(),
            flights: Flights::default(),
            calibrations: Calibrations::default(),
            learning: Learning::default(),
            sessions: Sessions::default(),
            trials: Trials::default(),
            experiments: Experiments::default(),
            budgets: self.budgets.of_another_user(user, tally),
            ending: self.ending.clone(),
        }
    }
}
