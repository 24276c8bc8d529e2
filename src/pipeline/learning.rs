//! What routing learned from all outcomes, and what it learns when they become known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Pipeline;
use super::journey::Journey;
use crate::cache::privacy::redacted;
use crate::domain::ids::RequestId;
use crate::domain::model::ModelRef;
use crate::domain::outcome::Outcome;
use crate::domain::prompt::StorePrompts;
use crate::domain::rating::{Rating, RatingEffect, Score};
use crate::domain::record::{Forget, RequestRecord, StoredEmbedding};
use crate::routing::drift::{Demotion, demotions, first_day};
use crate::routing::forecast::Forecast;
use crate::routing::outcomes::{asked_models, rated_model};
use crate::routing::success::{Learned, RoutingState};
use crate::store::{ForgetMode, StoreError};

/// How long what was learned is believed without asking the store, where others may learn too.
const FRESH: Duration = Duration::from_secs(10);
/// How often to begin again where somebody else has learned meanwhile.
const TRIES: usize = 5;
/// What is thought of an answer that somebody asks for anew at once; judged, not measured.
const ASKED_AGAIN: f64 = 0.3;
/// Where what was learned is kept while there is no embedder.
const WITHOUT_EMBEDDER: &str = "none";

/// What this process read last.
#[derive(Debug, Clone, Default)]
pub struct Learning(Arc<Mutex<Option<Kept>>>);

#[derive(Debug)]
struct Kept {
    read: Instant,
    /// Of the embedder.
    fingerprint: String,
    learned: Arc<Learned>,
    demoted: Arc<[Demotion]>,
}

/// What is known before a decision.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) evidence: Vec<Outcome>,
    pub(super) learned: Arc<Learned>,
    /// Models that got worse.
    pub(super) demoted: Arc<[Demotion]>,
    pub(super) embedding: Option<StoredEmbedding>,
}

impl Learning {
    fn get(&self, fingerprint: &str) -> Option<(Arc<Learned>, Arc<[Demotion]>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { read, fingerprint: of, learned, demoted } = kept.as_ref()?;
        (read.elapsed() < FRESH && of == fingerprint).then(|| (Arc::clone(learned), Arc::clone(demoted)))
    }

    fn put(&self, fingerprint: String, learned: &Arc<Learned>, demoted: &Arc<[Demotion]>) {
        let (learned, demoted) = (Arc::clone(learned), Arc::clone(demoted));
        let kept = Some(Kept { read: Instant::now(), fingerprint, learned, demoted });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Pipeline {
    /// Records a rating; routing learns from it after the answer is out.
    ///
    /// Of the comment no more is kept than `STORE_PROMPTS` says.
    pub async fn rate(&self, mut rating: Rating) -> Result<RatingEffect, StoreError> {
        rating.comment = rating.comment.and_then(|comment| match self.settings.store_prompts {
            StorePrompts::Full => Some(comment),
            StorePrompts::Redacted => Some(redacted(&comment)),
            StorePrompts::Hash | StorePrompts::Off => None,
        });
        let mut effect = self.store.rate_response(rating.clone(), Timestamp::now()).await?;
        // Without its prompt's hash a request makes no pair with an answer that was wrong for it.
        if self.settings.store_prompts == StorePrompts::Off && effect == RatingEffect::PairExcluded {
            self.store.forget_cache(Forget::Request(rating.request_id), ForgetMode::Delete).await?;
            effect = RatingEffect::EntryRetired;
        }
        let pipeline = self.clone();
        self.payments.spawn(async move {
            let found = pipeline.store.find_request(rating.request_id).await;
            let Ok(Some((record, _))) = found else { return };
            let rated = rated_model(&record, &rating).and_then(|rated| Some((rated.reference, rated.score?)));
            pipeline.learn_scores(&record, rated.as_slice()).await;
        });
        Ok(effect)
    }

    /// Learns from how a request ended, after its answer is out.
    pub(super) fn learn_ending(&self, record: &RequestRecord) {
        let asked = asked_models(record).into_iter();
        let scores: Vec<_> = asked.filter_map(|asked| Some((asked.reference, asked.score?))).collect();
        if !scores.is_empty() {
            let (pipeline, record) = (self.clone(), record.clone());
            self.payments.spawn(async move { pipeline.learn_scores(&record, &scores).await });
        }
    }

    /// Finds what is known of a prompt and of the models that may answer it.
    pub(super) async fn known_of(&self, journey: &mut Journey, embedding: Option<StoredEmbedding>) -> Known {
        let (embedding, evidence) = self.evidence(journey, embedding).await;
        let (learned, demoted) = self.learned(journey).await;
        Known { evidence, learned, demoted, embedding }
    }

    /// Gives what was learned so far; nothing where the store does not say.
    async fn learned(&self, journey: &mut Journey) -> (Arc<Learned>, Arc<[Demotion]>) {
        let fingerprint = self.fingerprint();
        if let Some(known) = self.learning.get(&fingerprint) {
            return known;
        }
        let read = async {
            let kept = self.store.routing_state(fingerprint.clone(), None).await?;
            Ok::<_, StoreError>((kept, self.demotions().await?))
        };
        match read.await {
            Ok((kept, demoted)) => {
                let state = kept.state.and_then(|bytes| RoutingState::read(&bytes)).unwrap_or_default();
                let learned = Arc::new(state.fit());
                let demoted: Arc<[Demotion]> = demoted.into();
                self.learning.put(fingerprint, &learned, &demoted);
                (learned, demoted)
            }
            Err(error) => {
                journey.degrade(format!("routing could not see what it learned: {error}"));
                (Arc::default(), Arc::default())
            }
        }
    }

    /// Finds the models that got worse lately.
    pub async fn demotions(&self) -> Result<Vec<Demotion>, StoreError> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Ok(demotions(&self.store.model_performance(first_day(today)).await?, today))
    }

    /// Keeps what the first answer was judged by, for the time that it is rated.
    pub(super) fn keep_judged(&self, journey: &Journey) {
        let forecast = journey.forecast.as_ref().filter(|_| journey.is_judged).map(Forecast::to_text);
        if let Some(forecast) = forecast {
            let (pipeline, id) = (self.clone(), journey.id);
            self.payments.spawn(async move {
                if let Err(error) = pipeline.store.keep_forecast(id, forecast).await {
                    tracing::debug!(%error, "what an answer was judged by is lost");
                }
            });
        }
    }

    /// Learns that an answer was asked for anew within minutes, by who got it.
    pub(super) fn learn_asked_again(&self, id: RequestId) {
        let pipeline = self.clone();
        self.payments.spawn(async move {
            let Ok(Some((record, _))) = pipeline.store.find_request(id).await else { return };
            if let (Some(reference), Ok(score)) = (record.reference.clone(), Score::new(ASKED_AGAIN)) {
                pipeline.learn_scores(&record, &[(reference, score)]).await;
            }
        });
    }

    /// Learns what a request says of models, once, and sums their day anew.
    pub(super) async fn learn_scores(&self, record: &RequestRecord, scores: &[(ModelRef, Score)]) {
        if scores.is_empty() {
            return;
        }
        let day = record.created_at.to_zoned(TimeZone::UTC).date();
        for (reference, _) in scores {
            if let Err(error) = self.store.note_model_performance(reference.clone(), day).await {
                tracing::debug!(%error, "a model's day is not summed");
            }
        }
        let Some(forecast) = record.forecast.as_deref().and_then(Forecast::read) else {
            self.learning.forget();
            return;
        };
        for _ in 0..TRIES {
            match self.try_to_learn(record, &forecast, scores).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "an outcome is lost to what routing learns of all together");
                    break;
                }
            }
        }
        self.learning.forget();
    }

    /// Says whether there is nothing left to do.
    async fn try_to_learn(
        &self,
        record: &RequestRecord,
        forecast: &Forecast,
        scores: &[(ModelRef, Score)],
    ) -> Result<bool, StoreError> {
        let fingerprint = self.fingerprint();
        let kept = self.store.routing_state(fingerprint.clone(), record.session.clone()).await?;
        let mut state = kept.state.and_then(|bytes| RoutingState::read(&bytes)).unwrap_or_default();
        forecast.learn(&mut state, scores, record.session.as_ref().map(|_| kept.of_session));
        self.store.save_routing_state(fingerprint, state.to_bytes(), kept.revision, record.id).await
    }

    fn fingerprint(&self) -> String {
        self.embedder.fingerprint().unwrap_or_else(|| WITHOUT_EMBEDDER.to_owned())
    }
}
