//! Keeping the catalogue's live prices fresh: from the disk at once, from the network at most once a day.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use reqwest::Client;
use tokio::task::spawn_blocking;

use super::{PriceCache, PriceListError, PriceSource};
use crate::cost::catalogue::Catalogue;
use crate::cost::live::LiveList;
use crate::domain::model::ModelRef;

/// How long the first look waits, so that a process that only answers a client's probe asks nobody.
const START_DELAY: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest sleep: clocks that stand still while the machine sleeps would let a day last for ever.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);
/// Waits after a failure: this, four times as long each time, at most [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(60);
const MAX_RETRY: Duration = Duration::from_secs(6 * 60 * 60);
/// A drift below this, in percent, is not worth a word.
const NOTABLE_DRIFT_PERCENT: f64 = 1.0;

/// A model whose live price is not the built-in one.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    pub reference: ModelRef,
    /// Of the built-in price.
    pub percent: f64,
}

/// A list that has been put in force.
#[derive(Debug, Clone)]
pub struct Refreshed {
    pub list: Arc<LiveList>,
    /// What moved against the built-in prices, most first.
    pub drift: Vec<Drift>,
}

/// The lists of the configured providers, on their way into the catalogue.
#[derive(Debug, Clone)]
pub struct PriceLists {
    pub sources: Vec<PriceSource>,
    pub client: Client,
    pub cache: PriceCache,
    pub catalogue: Arc<Catalogue>,
}

impl PriceLists {
    /// Puts the lists that are on the disk in force.
    pub fn load(&self) {
        for source in &self.sources {
            if let Some(list) = self.cache.load(source) {
                self.catalogue.set_live(Arc::new(list));
            }
        }
    }

    /// Fetches a list now, keeps it, and puts it in force.
    ///
    /// Cancel safe: yes, because a list is kept whole or not at all, and can be fetched again.
    pub async fn refresh(&self, source: &PriceSource) -> Result<Refreshed, PriceListError> {
        let list = Arc::new(source.fetch(&self.client).await?);
        self.catalogue.set_live(Arc::clone(&list));
        let (cache, here, kept) = (self.cache.clone(), source.clone(), Arc::clone(&list));
        spawn_blocking(move || cache.save(&here, &kept)).await.unwrap_or(Ok(()))?;
        Ok(Refreshed { drift: self.drift(&list), list })
    }

    /// Keeps all lists fresh until it is dropped; failures are logged, and the prices in force stay.
    ///
    /// Cancel safe: yes, as [`PriceLists::refresh`].
    pub async fn keep_fresh(&self) {
        if self.sources.is_empty() {
            return;
        }
        tokio::time::sleep(jittered(START_DELAY)).await;
        join_all(self.sources.iter().map(|source| self.keep_one_fresh(source))).await;
    }

    async fn keep_one_fresh(&self, source: &PriceSource) {
        let mut failures = 0;
        loop {
            let wait = match self.refresh_if_due(source).await {
                Ok(()) => {
                    failures = 0;
                    LOOK_AGAIN
                }
                Err(error) => {
                    tracing::warn!(%error, "prices were not refreshed; those in force stay");
                    failures += 1;
                    retry_after(failures)
                }
            };
            tokio::time::sleep(jittered(wait)).await;
        }
    }

    async fn refresh_if_due(&self, source: &PriceSource) -> Result<(), PriceListError> {
        // Another process may have been faster, before and after the lock was free.
        if self.take_over(source).await {
            return Ok(());
        }
        let Some(_lock) = self.cache.try_lock(source)? else { return Ok(()) };
        if self.take_over(source).await {
            return Ok(());
        }
        let Refreshed { list, drift } = self.refresh(source).await?;
        tracing::info!(
            provider.name = %source.provider(),
            prices = list.priced(),
            drifted = drift.len(),
            "prices were refreshed"
        );
        for Drift { reference, percent } in drift.iter().take(5) {
            tracing::info!(model.id = %reference, "the price is {percent:+.0} % off the built-in one");
        }
        Ok(())
    }

    /// Puts the list on the disk in force where it is newer, and says whether the one in force is of today.
    async fn take_over(&self, source: &PriceSource) -> bool {
        let in_force = || self.catalogue.live(source.provider()).map(|list| list.fetched_at);
        let (cache, here) = (self.cache.clone(), source.clone());
        let kept = spawn_blocking(move || cache.load(&here)).await.ok().flatten();
        if let Some(list) = kept.filter(|list| Some(list.fetched_at) > in_force()) {
            self.catalogue.set_live(Arc::new(list));
        }
        in_force().is_some_and(|fetched_at| is_of_today(fetched_at, Timestamp::now()))
    }

    fn drift(&self, list: &LiveList) -> Vec<Drift> {
        let of = |model: &String| {
            let reference = ModelRef { provider: list.provider, model: model.clone() };
            let percent = self.catalogue.quote(&reference, list.fetched_at)?.drift_percent?;
            (percent.abs() >= NOTABLE_DRIFT_PERCENT).then_some(Drift { reference, percent })
        };
        let mut drift: Vec<Drift> = list.models.keys().filter_map(of).collect();
        drift.sort_by(|one, other| {
            other
                .percent
                .abs()
                .total_cmp(&one.percent.abs())
                .then_with(|| one.reference.model.cmp(&other.reference.model))
        });
        drift
    }
}

/// Says whether a list is less than a day old; one from the future is of no day.
fn is_of_today(fetched_at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(fetched_at)).is_ok_and(|age| age < DAY)
}

fn retry_after(failures: u32) -> Duration {
    let steps = failures.saturating_sub(1).min(8);
    FIRST_RETRY.saturating_mul(4_u32.saturating_pow(steps)).min(MAX_RETRY)
}

/// Spreads a wait over half to one and a half of its length, so that processes do not move in step.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    wait.mul_f64(0.5 + (random % 1_024) as f64 / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_waited_out_longer_each_time_up_to_a_limit() {
        let check = |failures: u32, expected_s: u64| {
            assert_eq!(retry_after(failures), Duration::from_secs(expected_s), "{failures}");
        };
        check(1, 60);
        check(2, 240);
        check(4, 3_840);
        check(6, 21_600);
        check(u32::MAX, 21_600);
    }

    #[test]
    fn a_list_is_of_today_for_a_day() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let check = |fetched_at: &str, expected: bool| {
            assert_eq!(is_of_today(fetched_at.parse().unwrap(), now), expected, "{fetched_at}");
        };
        check("2026-11-25T12:00:00Z", true);
        check("2026-11-24T12:00:01Z", true);
        check("2026-11-24T12:00:00Z", false);
        check("2026-11-25T12:00:01Z", false);
    }

    #[test]
    fn a_jitter_keeps_to_its_bounds() {
        for _ in 0..1_000 {
            let wait = jittered(Duration::from_secs(60));
            assert!((Duration::from_secs(30)..Duration::from_secs(90)).contains(&wait), "{wait:?}");
        }
    }
}
