//! What reports say: sums over the rows of `requests`.

use jiff::Timestamp;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::money::Usd;

/// What a report is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum GroupBy {
    Provider,
    /// `provider/model`.
    Model,
    Strategy,
    /// The UTC day, `YYYY-MM-DD`.
    Day,
    /// A request with several tags counts in each; the totals count it once.
    Tag,
    Source,
}

/// Which rows a report covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportQuery {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant outside.
    pub to: Timestamp,
    pub group_by: Option<GroupBy>,
}

/// Sums over requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Finished requests, answered or failed.
    pub requests: u64,
    /// What is known to have been paid, failed requests included.
    pub cost: Usd,
    /// What the baseline would have cost, over the requests that have one.
    pub baseline_cost: Usd,
    /// Baseline less cost, over the requests that have both; it may be negative.
    pub saved: Usd,
    pub cache_hits: u64,
    /// Requests that the cache could have answered, and that were paid for to learn whether it would have been right.
    pub audits: u64,
    /// What the audits cost; it is in `cost` too.
    pub audit_cost: Usd,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Requests whose price is not known; they are in no sum of money.
    pub unpriced_requests: u64,
    /// Requests whose cost had to be estimated.
    pub estimated_requests: u64,
    pub failed_requests: u64,
    /// Requests that were begun and never finished: their process died, or they still run.
    pub unsettled_requests: u64,
    /// The most that the unsettled requests may have cost; in no other sum.
    pub unsettled_worst_case: Usd,
}

impl Totals {
    /// Gives the share of requests answered from the cache, in [0, 1].
    pub fn cache_hit_rate(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.cache_hits as f64 / self.requests as f64 }
    }

    /// Gives the saving in percent of the baseline; absent without a baseline.
    pub fn saved_percent(&self) -> Option<f64> {
        (self.baseline_cost > Usd::ZERO)
            .then(|| 100.0 * self.saved.pico() as f64 / self.baseline_cost.pico() as f64)
    }
}

/// Sums over the requests that share a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub key: String,
    pub totals: Totals,
}

/// The answer to a [`ReportQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub totals: Totals,
    /// Dearest first; days in order.
    pub groups: Vec<Group>,
    /// Between what the saving lies, where a cost had to be estimated; see [`Doubt`].
    pub saved_between: Option<(Usd, Usd)>,
}

/// How far a sum of savings may be off either way, as some of the costs in it had to be estimated.
///
/// The tokens of a call that broke off may have been none, or as many as its worst case allows; what it saved moves
/// with them, as they would have cost the baseline as much more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubt {
    below: i128,
    above: i128,
}

impl Doubt {
    /// Adds a request whose cost had to be estimated.
    pub fn add(&mut self, saved: Usd, cost: Usd, worst_case: Usd) {
        let [saved, cost, worst_case] = [saved, cost, worst_case].map(|amount| i128::from(amount.pico()));
        let is_scaled = worst_case > cost && cost > 0;
        let scaled = if is_scaled { saved * worst_case / cost } else { saved };
        self.below += saved - scaled.min(0);
        self.above += scaled.max(0) - saved;
    }

    /// Gives the ends between which the sum lies.
    pub fn around(self, saved: Usd) -> (Usd, Usd) {
        let most = i128::from(i64::MAX);
        let end = |pico: i128| Usd::from_pico(pico.clamp(-most, most) as i64);
        let saved = i128::from(saved.pico());
        (end(saved - self.below.min(most)), end(saved + self.above.min(most)))
    }
}

impl From<(Usd, Usd)> for Doubt {
    /// Takes how far a sum may be off: below and above.
    fn from((below, above): (Usd, Usd)) -> Self {
        Self { below: below.pico().into(), above: above.pico().into() }
    }
}

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Entries that may be served.
    pub entries: u64,
    pub expired_entries: u64,
    /// Entries that ratings took out of service.
    pub retired_entries: u64,
    /// Times that an entry was served.
    pub hits: u64,
}
