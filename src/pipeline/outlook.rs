//! What is known of the time to come.

use jiff::{SignedDuration, Timestamp};

use super::Pipeline;
use crate::budget::standing::Standing;
use crate::cost::calendar::{Notice, notices};
use crate::cost::forecast::{DailySpend, Forecast, forecast};
use crate::domain::limit::{Period, Scope};
use crate::domain::model::ModelRef;
use crate::store::StoreError;

/// Days that a forecast learns from.
const PAST: SignedDuration = SignedDuration::from_hours(24 * 180);

impl Pipeline {
    /// Forecasts this month's spend, and when the monthly budget of all requests that leaves least is used up.
    pub async fn forecast(&self, now: Timestamp, budgets: &[Standing]) -> Result<Forecast, StoreError> {
        let monthly = Scope { period: Period::Month, tag: None };
        let left =
            budgets.iter().filter(|standing| standing.limit.scope == monthly).map(Standing::remaining).min();
        // Whole days, or the first would have less than it had.
        let (from, _) = Period::Day.bounds(now.checked_sub(PAST).unwrap_or(Timestamp::UNIX_EPOCH));
        let days = self.store.daily_spend(from, now).await?;
        let (today, _) = Period::Day.days(now);
        let first = days.iter().map(|(day, _)| *day).min().unwrap_or(today);
        Ok(forecast(&DailySpend::new(first, days), now, left))
    }

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
