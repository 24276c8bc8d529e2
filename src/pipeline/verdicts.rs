//! Starting experiments, reading what they prove, and ending them, for whoever asks.

use jiff::Timestamp;

use super::Pipeline;
use crate::domain::ids::{ExperimentId, RequestId};
use crate::domain::money::Usd;
use crate::experiments::definition::{Arm, Definition, Experiment};
use crate::experiments::lifecycle::{Adopted, Change, Ended, EndedBy, Kept, Status, Which};
use crate::experiments::outcomes::Outcome;
use crate::experiments::planning::{MOST_PAST, Outlook, PAST, PastQuery, outlook, settle};
use crate::experiments::timeline::Moment;
use crate::experiments::validation::BadDefinition;
use crate::experiments::verdict::Report;
use crate::routing::candidates::{NoCandidate, variable};
use crate::store::{Started, StoreError};

/// What an experiment may spend, in all, before somebody has to say yes: its limit, or else what its requests will cost.
const UNASKED_SPEND: Usd = Usd::from_pico(5_000_000_000_000);
/// Names of experiments that an error lists.
const LISTED: usize = 10;

/// Why an experiment is not started, read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExperimentError {
    #[error(transparent)]
    Bad(#[from] BadDefinition),
    #[error("arm `{arm}`: {problem}")]
    Model { arm: String, problem: NoCandidate },
    #[error(
        "it may spend {spend}, more than {UNASKED_SPEND}; hint: pass confirm: true, or set max_spend_usd"
    )]
    Unconfirmed { spend: Usd },
    #[error("an experiment is named `{0}` already; hint: choose another name")]
    NameTaken(String),
    #[error(
        "idempotency_key began experiment `{0}`, which is another; hint: choose another key, or repeat its \
         arguments"
    )]
    KeyTaken(String),
    #[error("experiment `{by}` tests {knob} already; hint: stop it first, or test something else")]
    KnobTaken { knob: String, by: String },
    #[error("no experiment is named `{name}`; {}", known_names(.known))]
    Unknown { name: String, known: Vec<String> },
    #[error(
        "experiment `{name}` is {status} already{}{}",
        .by.map(|by| format!(" (by {by})")).unwrap_or_default(),
        if *.status == Status::Stopped { "; hint: pass adopt to make an arm the default" } else { "" }
    )]
    Over { name: String, status: Status, by: Option<EndedBy> },
    #[error("experiment `{0}` still runs; hint: stop it first")]
    Running(String),
    #[error("experiment `{name}` has no arm `{arm}`; its arms: {}", .arms.join(", "))]
    UnknownArm { name: String, arm: String, arms: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn known_names(known: &[String]) -> String {
    match known {
        [] => "there is none yet; hint: start_experiment".to_owned(),
        names => format!("hint: {}", names.join(", ")),
    }
}

/// Whether somebody has said yes to what an experiment may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Given,
    Missing,
}

/// An experiment that runs, and what it will take.
#[derive(Debug, Clone)]
pub struct Launch {
    pub kept: Kept,
    pub outlook: Outlook,
    /// Whether a start with the same idempotency key began it.
    pub is_repeated: bool,
}

impl Pipeline {
    /// Starts an experiment. A refused one leaves nothing behind.
    pub async fn start_experiment(
        &self,
        definition: Definition,
        idempotency_key: Option<String>,
        consent: Consent,
    ) -> Result<Launch, ExperimentError> {
        let definition = self.with_known_models(definition)?;
        // What sets what is so anyway acts like what sets nothing.
        Experiment::try_from(self.without_defaults(&definition))?;
        let now = Timestamp::now();
        let query = PastQuery {
            unit: definition.unit,
            eligibility: definition.eligibility.clone(),
            since: now.checked_sub(PAST).unwrap_or(Timestamp::UNIX_EPOCH),
            limit: MOST_PAST,
        };
        let past = self.store.past_outcomes(query).await?;
        let experiment = Experiment::try_from(settle(definition, &past))?;
        let outlook = outlook(&experiment, &past);
        let spend = experiment.definition().max_spend_pico.or(outlook.cost);
        let needs_consent = consent == Consent::Missing && !self.settings.simulated;
        if let Some(spend) = spend.filter(|spend| needs_consent && *spend > UNASKED_SPEND) {
            return Err(ExperimentError::Unconfirmed { spend });
        }
        let kept = Kept {
            id: ExperimentId::new(),
            experiment,
            status: Status::Active,
            created_at: Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now),
            ended: None,
            adopted: None,
            idempotency_key,
        };
        let asked = kept.experiment.definition();
        let started = self.store.start_experiment(kept.clone()).await?;
        self.experiments.forget();
        match started {
            Started::New => Ok(Launch { kept, outlook, is_repeated: false }),
            Started::Before(before) if !before.experiment.definition().asks_the_same(asked) => {
                Err(ExperimentError::KeyTaken(before.name().to_owned()))
            }
            Started::Before(kept) => Ok(Launch { kept: *kept, outlook, is_repeated: true }),
            Started::NameTaken => Err(ExperimentError::NameTaken(kept.name().to_owned())),
            Started::KnobTaken { knob, by } => Err(ExperimentError::KnobTaken { knob, by }),
        }
    }

    /// Judges an experiment as of now, however often it is asked.
    pub async fn experiment_report(&self, name: &str) -> Result<(Kept, Report), ExperimentError> {
        Ok(self.look_at(&self.experiment_named(name).await?).await?)
    }

    /// Gives what was known of an experiment's metric at so many times.
    pub async fn experiment_timeline(&self, kept: &Kept, points: usize) -> Result<Vec<Moment>, StoreError> {
        self.store.experiment_timeline(kept.id, kept.experiment.definition().metric, points).await
    }

    /// Lists requests of an experiment in the order in which they came, from after one on.
    pub async fn experiment_outcomes(
        &self,
        kept: &Kept,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.store.experiment_outcomes(kept.id, after, limit).await
    }

    /// Lists all experiments, newest first.
    pub async fn experiments(&self) -> Result<Vec<Kept>, StoreError> {
        self.store.experiments(Which::All).await
    }

    /// Ends an experiment, and makes an arm the default, where one is named; of one that has ended, makes an arm the default.
    pub async fn stop_experiment(&self, name: &str, adopt: Option<String>) -> Result<Kept, ExperimentError> {
        let kept = self.experiment_named(name).await?;
        let arms = &kept.experiment.definition().arms;
        if let Some(arm) = adopt.as_ref().filter(|arm| !arms.iter().any(|other| other.name == **arm)) {
            let arms = arms.iter().map(|arm| arm.name.clone()).collect();
            return Err(ExperimentError::UnknownArm { name: name.to_owned(), arm: arm.clone(), arms });
        }
        let over = |kept: &Kept| ExperimentError::Over {
            name: name.to_owned(),
            status: kept.status,
            by: kept.ended.map(|ended| ended.by),
        };
        if kept.status == Status::Archived || kept.status == Status::Stopped && adopt.is_none() {
            return Err(over(&kept));
        }
        let at = Timestamp::now();
        let end = Change::End(Ended { by: EndedBy::Person, at });
        if kept.status == Status::Active
            && !self.store.change_experiment(kept.id, end).await?
            && adopt.is_none()
        {
            return Err(over(&self.experiment_named(name).await?));
        }
        if let Some(arm) = adopt {
            self.store.change_experiment(kept.id, Change::Adopt(Adopted { arm, at })).await?;
        }
        self.experiments.forget();
        self.experiment_named(name).await
    }

    /// Puts an experiment that has ended away: its arm is the default no more.
    pub async fn archive_experiment(&self, name: &str) -> Result<Kept, ExperimentError> {
        let kept = self.experiment_named(name).await?;
        if kept.status == Status::Active {
            return Err(ExperimentError::Running(name.to_owned()));
        }
        if !self.store.change_experiment(kept.id, Change::Archive).await? {
            let by = kept.ended.map(|ended| ended.by);
            return Err(ExperimentError::Over { name: name.to_owned(), status: kept.status, by });
        }
        self.experiments.forget();
        self.experiment_named(name).await
    }

    async fn experiment_named(&self, name: &str) -> Result<Kept, ExperimentError> {
        if let Some(kept) = self.store.experiments(Which::Named(name.to_owned())).await?.into_iter().next() {
            return Ok(kept);
        }
        let all = self.store.experiments(Which::All).await?;
        let known = all.iter().take(LISTED).map(|kept| kept.name().to_owned()).collect();
        Err(ExperimentError::Unknown { name: name.chars().take(100).collect(), known })
    }

    /// Writes the models that arms pin in full; one that cannot be asked is refused.
    fn with_known_models(&self, mut definition: Definition) -> Result<Definition, ExperimentError> {
        let configured = self.providers.ids();
        for arm in &mut definition.arms {
            let Some(model) = &arm.model else { continue };
            let refused = |problem| ExperimentError::Model { arm: arm.name.clone(), problem };
            let reference =
                self.models.find(model).map_err(|error| refused(NoCandidate::from(error)))?.reference;
            let provider = reference.provider;
            if !configured.contains(&provider) {
                let (model, variable) = (reference.model, variable(provider));
                return Err(refused(NoCandidate::NotConfigured { model, provider, variable }));
            }
            arm.model = Some(reference.to_string());
        }
        Ok(definition)
    }

    /// Leaves out of the arms what is so without them.
    fn without_defaults(&self, definition: &Definition) -> Definition {
        let quality = definition.eligibility.quality.unwrap_or_default();
        let rate = self.settings.cache_policy.error_rate();
        let plain = |arm: &Arm| Arm {
            strategy: arm.strategy.filter(|strategy| *strategy != self.settings.default_strategy),
            quality: arm.quality.filter(|wanted| *wanted != quality),
            cache_error_rate: arm.cache_error_rate.filter(|wanted| Some(*wanted) != rate),
            ..arm.clone()
        };
        Definition { arms: definition.arms.iter().map(plain).collect(), ..definition.clone() }
    }
}
