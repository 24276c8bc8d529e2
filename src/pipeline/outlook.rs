//! What is known of the time to come.

use jiff::Timestamp;

use super::Pipeline;
use crate::cost::calendar::{Notice, notices};
use crate::domain::model::ModelRef;

impl Pipeline {
    /// Lists the ends and price changes of the models that may be asked, and of the baseline, for so many days ahead.
    pub fn notices(&self, now: Timestamp, days: u16) -> Vec<Notice> {
        let configured = self.providers.ids();
        let cards = self.models.iter().map(|card| card.reference.clone());
        let mut references: Vec<ModelRef> =
            cards.filter(|reference| configured.contains(&reference.provider)).collect();
        references.extend(self.baseline_model(now).filter(|baseline| !references.contains(baseline)));
        notices(&self.models, &self.catalogue, &references, now, days)
    }
}
