//! Serve, audit or buy, and what is learned from what was bought.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Pipeline;
use super::journey::Journey;
use super::lookup::EMBEDDING_LIMIT;
use crate::cache::admission::CachePolicy;
use crate::cache::answers::{agree, are_equal};
use crate::cache::betting::Weight;
use crate::cache::calibration::{self, Calibration};
use crate::cache::compare::{Conversation, transcript};
use crate::cache::decision::{Candidate, candidate, nearest_that_agrees};
use crate::cache::evidence::{Cell, Scores};
use crate::domain::evidence::{EvidenceKey, Label};
use crate::domain::record::Neighbour;
use crate::embed::Embedded;
use crate::store::StoreError;

/// How long what is known of a scope is believed without asking the store, where others may learn too.
const FRESH: Duration = Duration::from_secs(10);
/// Scopes whose calibration is kept; more and all are forgotten.
const MOST_SCOPES: usize = 1_000;

/// What this process knows of the scopes it served lately.
#[derive(Debug, Clone, Default)]
pub struct Calibrations(Arc<Mutex<Kept>>);

/// When each was read, and what was read.
type Kept = HashMap<EvidenceKey, (Instant, Arc<Known>)>;

/// A scope's calibration, and how many audits it stands on.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) calibration: Calibration,
    /// The bound that it was made for.
    rate: f64,
    audits: u64,
}

/// A cached answer that the bought one will be compared with.
#[derive(Debug)]
pub(super) struct Comparand {
    key: EvidenceKey,
    epoch: u32,
    cell: Cell,
    answer: String,
    pub(super) is_audit: bool,
}

impl Calibrations {
    fn get(&self, key: &EvidenceKey) -> Option<Arc<Known>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(read, _)| read.elapsed() < FRESH).map(|(_, known)| Arc::clone(known))
    }

    fn put(&self, key: EvidenceKey, known: &Arc<Known>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_SCOPES {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), Arc::clone(known)));
    }

    fn forget(&self, key: &EvidenceKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Pipeline {
    /// Chooses the neighbour to serve, with its score and the bound it is served within; where the answer is to be
    /// bought instead, notes what it will be compared with.
    pub(super) async fn choose<'a>(
        &self,
        journey: &mut Journey,
        key: EvidenceKey,
        neighbours: &'a [Neighbour],
    ) -> Option<(&'a Neighbour, f64, Option<f64>)> {
        let request = &journey.request;
        let prompt = &Conversation::read(&transcript(&request.context, request.prompt.as_str()));
        let usual = self.settings.cache_policy;
        let policy = journey.cache_error_rate.map_or(usual, |rate| usual.with_error_rate(rate));
        let (rate, audit_rate) = match policy {
            CachePolicy::Plain { threshold } => {
                let Candidate { neighbour, scores } = nearest_that_agrees(prompt, neighbours, threshold)?;
                return Some((neighbour, scores.verified, None));
            }
            CachePolicy::Calibrated { rate, audit_rate } => (rate, audit_rate),
        };
        let Candidate { neighbour, scores } = candidate(prompt, neighbours, are_equal)?;
        let known = match self.known(&key, rate).await {
            Ok(known) => known,
            Err(error) => {
                journey.degrade(format!("the cache does not know how often it is wrong: {error}"));
                return None;
            }
        };
        let Known { calibration, audits, .. } = &*known;
        let audit_rate = audit_rate.unwrap_or_else(|| calibration::audit_rate(*audits));
        let serves =
            calibration.threshold().is_some_and(|threshold| threshold.serves(scores.cell(Weight::WHOLE)));
        let is_audit = serves && fastrand::f64() < audit_rate;
        if serves && !is_audit {
            return Some((neighbour, score(calibration, scores), calibration.bound()));
        }
        let cell = scores.cell(calibration.weight(is_audit, audit_rate));
        if !cell.is_idle() {
            let answer = neighbour.entry.text.clone();
            journey.comparand = Some(Comparand { key, epoch: calibration.epoch(), cell, answer, is_audit });
        }
        None
    }

    /// Finds what is known of a scope.
    async fn known(&self, key: &EvidenceKey, rate: f64) -> Result<Arc<Known>, StoreError> {
        if let Some(known) = self.calibrations.get(key).filter(|known| known.rate == rate) {
            return Ok(known);
        }
        let evidence = self.store.cache_evidence(key.clone()).await?;
        let audits = evidence.scope.iter().map(|(_, counts)| counts.audits).sum();
        let known = Arc::new(Known { calibration: Calibration::read(rate, &evidence), rate, audits });
        self.calibrations.put(key.clone(), &known);
        if known.calibration.is_broken() {
            tracing::warn!(
                epoch = evidence.epoch,
                "cached answers are wrong too often; the scope starts again"
            );
            self.store.end_epoch(key.clone(), evidence.epoch).await?;
            self.calibrations.forget(key);
        }
        Ok(known)
    }

    /// Compares the answer that was bought with the one that the cache would have served, and counts the label; the
    /// request is answered by then, so nobody waits.
    pub(super) async fn learn(&self, comparand: Comparand, bought: &str) {
        let Comparand { key, epoch, cell, answer, is_audit } = comparand;
        let cosine = if are_equal(bought, &answer) { None } else { self.cosine(bought, &answer).await };
        let label = Label {
            key: key.clone(),
            epoch,
            cell: cell.to_string(),
            is_right: agree(bought, &answer, cosine),
            is_audit,
        };
        if let Err(error) = self.store.record_label(label).await {
            tracing::debug!(%error, "a label of the cache is lost");
        }
        self.calibrations.forget(&key);
    }

    /// Gives the cosine of two texts; `None` where the embedder does not read the whole of both, or is busy.
    pub(super) async fn cosine(&self, left: &str, right: &str) -> Option<f32> {
        let embed = async |text: &str| -> Option<Embedded> {
            let embedding = self.embedder.embed(text.to_owned(), EMBEDDING_LIMIT);
            let embedded = tokio::time::timeout(EMBEDDING_LIMIT, embedding).await.ok()?.ok()?;
            (!embedded.truncated).then_some(embedded)
        };
        Some(embed(left).await?.embedding.cosine(&embed(right).await?.embedding))
    }
}

/// Gives the score that a pair is served by, in [0, 1].
fn score(calibration: &Calibration, scores: Scores) -> f64 {
    calibration.threshold().map_or(0.0, |threshold| scores.of(threshold.measure)).clamp(0.0, 1.0)
}
