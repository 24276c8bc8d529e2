//! Which arms of experiments a request comes to, and when an experiment is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Pipeline;
use super::journey::Journey;
use super::lookup::CachePlan;
use crate::domain::decision::Decision;
use crate::domain::ids::ExperimentId;
use crate::domain::model::ProviderId;
use crate::domain::record::RequestRecord;
use crate::experiments::lifecycle::{Change, Ended, Kept, Status, Which};
use crate::experiments::standing::{Arrival, Placement};
use crate::experiments::verdict::{Report, report};
use crate::pipeline::RouteError;
use crate::pipeline::learning::Known;
use crate::routing::complexity::complexity_of;
use crate::routing::features::Features;
use crate::store::StoreError;

/// How long the experiments in force are believed without asking the store, where others may start and stop them.
const FRESH: Duration = Duration::from_secs(10);
/// Limits are looked at after one in so many of the requests that an experiment has.
const SHARE_BETWEEN_LOOKS: u64 = 100;

/// What this process knows of the experiments in force.
#[derive(Debug, Clone, Default)]
pub struct Experiments(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    read: Option<Instant>,
    in_force: Arc<[Kept]>,
    looks: HashMap<ExperimentId, Look>,
}

/// When the limits of an experiment were looked at.
#[derive(Debug, Default)]
struct Look {
    /// Requests here since then.
    since: u64,
    /// Requests that it had then.
    requests: u64,
    at: Option<Instant>,
    is_under_way: bool,
}

impl Experiments {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fresh(&self) -> Option<Arc<[Kept]>> {
        self.with(|state| {
            state.read.is_some_and(|read| read.elapsed() < FRESH).then(|| Arc::clone(&state.in_force))
        })
    }

    /// Has the experiments read anew.
    pub(super) fn forget(&self) {
        self.with(|state| state.read = None);
    }

    /// Counts a request of an experiment; says whether its limits are to be looked at, by the caller.
    fn is_look_due(&self, id: ExperimentId) -> bool {
        self.with(|state| {
            let look = state.looks.entry(id).or_default();
            look.since += 1;
            let is_due = look.since > look.requests / SHARE_BETWEEN_LOOKS
                || look.at.is_none_or(|at| at.elapsed() > FRESH);
            let starts = is_due && !look.is_under_way;
            look.is_under_way |= starts;
            starts
        })
    }

    fn looked(&self, id: ExperimentId, requests: u64) {
        self.with(|state| {
            let look = Look { since: 0, requests, at: Some(Instant::now()), is_under_way: false };
            state.looks.insert(id, look);
        });
    }
}

impl Pipeline {
    /// Brings a request to the arms that it belongs to.
    pub(super) async fn assign(&self, journey: &mut Journey) {
        let in_force = self.experiments_in_force(journey).await;
        self.place(journey, &in_force);
    }

    /// Brings a request to the arms that are the default; it is no outcome of any experiment.
    pub(super) async fn adopt(&self, journey: &mut Journey) {
        let in_force = self.experiments_in_force(journey).await;
        let adopted: Vec<Kept> =
            in_force.iter().filter(|kept| kept.status != Status::Active).cloned().collect();
        self.place(journey, &adopted);
    }

    fn place(&self, journey: &mut Journey, in_force: &[Kept]) {
        if in_force.is_empty() {
            return;
        }
        let request = &journey.request;
        let placement = Placement::of(
            &Arrival {
                id: journey.id,
                request,
                tier: complexity_of(&Features::of(request.prompt.as_str()), request).tier,
                default_strategy: self.settings.default_strategy,
                at: journey.at,
            },
            in_force,
        );
        if placement.exposures.is_empty() {
            return;
        }
        let own = request.clone();
        placement.apply(&mut journey.request);
        journey.cache = CachePlan::new(&journey.request, journey.at, &self.settings, &placement.scope());
        journey.cache_error_rate = placement.cache_error_rate;
        journey.exposures = placement.exposures;
        journey.own = Some(Box::new(own));
    }

    /// Decides as the arms say; where nobody can be asked so, as without them: an experiment makes no request fail.
    pub(super) fn decide_in_arms(
        &self,
        journey: &mut Journey,
        configured: &[ProviderId],
        known: &Known,
    ) -> Result<Decision, RouteError> {
        let decided = self.decide(journey, configured, known);
        let (Err(problem), Some(own)) = (&decided, journey.own.take()) else { return decided };
        journey.request.strategy = own.strategy;
        journey.request.quality = own.quality;
        journey.request.pinned_model = own.pinned_model;
        let decided_without = self.decide(journey, configured, known)?;
        journey.degrade(format!("the arm of an experiment was not followed: {problem}"));
        Ok(decided_without)
    }

    async fn experiments_in_force(&self, journey: &mut Journey) -> Arc<[Kept]> {
        if let Some(known) = self.experiments.fresh() {
            return known;
        }
        match self.store.experiments(Which::InForce).await {
            Ok(in_force) => {
                let in_force: Arc<[Kept]> = in_force.into();
                self.experiments.with(|state| {
                    state.in_force = Arc::clone(&in_force);
                    state.looks.retain(|id, _| in_force.iter().any(|kept| kept.id == *id));
                    state.read = Some(Instant::now());
                });
                in_force
            }
            Err(error) => {
                journey.degrade(format!("the experiments are not known now: {error}"));
                // What was known last goes on.
                self.experiments.with(|state| {
                    state.read = Some(Instant::now());
                    Arc::clone(&state.in_force)
                })
            }
        }
    }

    /// Looks at the limits of the experiments that a recorded request is an outcome of, now and then, after its answer is out.
    pub(super) fn watch_limits(&self, record: &RequestRecord) {
        if record.exposures.is_empty() {
            return;
        }
        let in_force = self.experiments.with(|state| Arc::clone(&state.in_force));
        let is_outcome_of = |kept: &&Kept| {
            let mut exposures = record.exposures.iter();
            exposures.any(|exposure| exposure.experiment_id == kept.id && exposure.unit.is_some())
        };
        for kept in in_force.iter().filter(is_outcome_of).filter(|kept| kept.has_limit()) {
            if !self.experiments.is_look_due(kept.id) {
                continue;
            }
            let (pipeline, kept) = (self.clone(), kept.clone());
            self.payments.spawn(async move {
                let looked = pipeline.look_at(&kept).await.map(|(_, report)| report.requests());
                let requests = looked.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the limits of an experiment were not looked at");
                    0
                });
                pipeline.experiments.looked(kept.id, requests);
            });
        }
    }

    /// Judges an experiment, and ends it where it has come to a limit. Gives it as it is then.
    pub(super) async fn look_at(&self, kept: &Kept) -> Result<(Kept, Report), StoreError> {
        let report = report(&kept.experiment, &self.store.experiment_statistics(kept.id).await?);
        let mut kept = kept.clone();
        let now = Timestamp::now();
        let due = kept.due(&report, now).filter(|_| kept.status == Status::Active);
        if let Some(by) = due {
            let ended = Ended { by, at: now };
            if self.store.change_experiment(kept.id, Change::End(ended)).await? {
                tracing::info!(experiment = %kept.id, %by, "an experiment ended");
            }
            self.experiments.forget();
            (kept.status, kept.ended) = (Status::Stopped, Some(ended));
        }
        Ok((kept, report))
    }
}
