//! How an experiment goes on: active → stopped → archived; and what is kept of it.

use jiff::{SignedDuration, Timestamp};
use strum::{Display, EnumString, IntoStaticStr};

use super::definition::Experiment;
use super::verdict::{Report, Verdict};
use crate::domain::ids::ExperimentId;

/// How far an experiment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Requests are assigned to its arms.
    Active,
    /// None is any more; outcomes that come late still count.
    Stopped,
    /// It is past: the arm that it made the default is so no more.
    Archived,
}

/// What ended an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EndedBy {
    Person,
    /// `auto_stop` was set, and a verdict came.
    Verdict,
    MaxRequests,
    MaxDays,
    MaxSpend,
}

/// An end, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub by: EndedBy,
    pub at: Timestamp,
}

/// An arm that was made the default, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    pub arm: String,
    pub at: Timestamp,
}

/// An experiment as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub id: ExperimentId,
    pub experiment: Experiment,
    pub status: Status,
    pub created_at: Timestamp,
    pub ended: Option<Ended>,
    pub adopted: Option<Adopted>,
    /// Two starts with the same key are one.
    pub idempotency_key: Option<String>,
}

/// Which experiments to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that say how a request is answered: active, or with an arm that is the default.
    InForce,
    Named(String),
}

/// What is to become of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Ends it, where it is active.
    End(Ended),
    /// Makes an arm the default, or another one than before.
    Adopt(Adopted),
    /// Puts a stopped one away.
    Archive,
}

impl Kept {
    /// Gives the name, unique among the tenant's experiments.
    pub fn name(&self) -> &str {
        &self.experiment.definition().name
    }

    /// Gives the arm that is the default.
    pub fn adopted_arm(&self) -> Option<&str> {
        let adopted = self.adopted.as_ref().filter(|_| self.status == Status::Stopped);
        adopted.map(|adopted| adopted.arm.as_str())
    }

    /// Says whether anything but a person may end it.
    pub fn has_limit(&self) -> bool {
        let definition = self.experiment.definition();
        definition.auto_stop
            || definition.max_requests.is_some()
            || definition.max_days.is_some()
            || definition.max_spend_pico.is_some()
    }

    /// Says whether requests are assigned to its arms at a time.
    pub fn takes_requests(&self, at: Timestamp) -> bool {
        self.status == Status::Active && !self.has_run_out(at)
    }

    fn has_run_out(&self, at: Timestamp) -> bool {
        let days = self.experiment.definition().max_days;
        let most = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        most.is_some_and(|most| at.duration_since(self.created_at) >= most)
    }

    /// Gives the limit that has been reached, if any. Requests under way when it is go over it.
    pub fn due(&self, report: &Report, now: Timestamp) -> Option<EndedBy> {
        let definition = self.experiment.definition();
        if definition.auto_stop && report.verdict != Verdict::Undecided {
            Some(EndedBy::Verdict)
        } else if definition.max_requests.is_some_and(|most| report.requests() >= most) {
            Some(EndedBy::MaxRequests)
        } else if definition.max_spend_pico.is_some_and(|most| report.spend >= most) {
            Some(EndedBy::MaxSpend)
        } else if self.has_run_out(now) {
            Some(EndedBy::MaxDays)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::money::Usd;
    use crate::experiments::verdict::{Observed, report};

    fn kept(limits: &Value) -> Kept {
        let mut definition = json!({
            "name": "x", "metric": "cost_usd", "arms": [{ "name": "a" }, { "name": "b", "model": "m" }],
        });
        let members = limits.as_object().expect("an object").clone();
        definition.as_object_mut().expect("an object").extend(members);
        Kept {
            id: ExperimentId::new(),
            experiment: serde_json::from_value(definition).expect("an experiment"),
            status: Status::Active,
            created_at: at(1_000_000),
            ended: None,
            adopted: None,
            idempotency_key: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn due(limits: &Value, requests: u64, spend: i64, now: Timestamp) -> Option<EndedBy> {
        let kept = kept(limits);
        let arm = Observed { units: requests, requests, spend: Usd::from_pico(spend), ..Observed::default() };
        kept.due(&report(&kept.experiment, &[arm.clone(), arm]), now)
    }

    #[test]
    fn the_limit_that_is_reached_is_named() {
        let now = at(1_000_000);
        assert_eq!(due(&json!({ "max_requests": 200 }), 99, 0, now), None);
        assert_eq!(due(&json!({ "max_requests": 200 }), 100, 0, now), Some(EndedBy::MaxRequests));
        assert_eq!(due(&json!({ "max_spend_pico": 10 }), 1, 4, now), None);
        assert_eq!(due(&json!({ "max_spend_pico": 10 }), 1, 5, now), Some(EndedBy::MaxSpend));
        let two_days_on = at(1_000_000 + 2 * 86_400);
        assert_eq!(due(&json!({ "max_days": 2 }), 1, 0, two_days_on), Some(EndedBy::MaxDays));
        assert_eq!(due(&json!({ "max_days": 3 }), 1, 0, two_days_on), None);
        assert_eq!(due(&json!({ "auto_stop": true }), 100, 0, now), None, "undecided is no verdict");
    }

    #[test]
    fn a_clock_that_goes_backwards_ends_nothing() {
        let limited = json!({ "max_days": 1 });
        assert_eq!(due(&limited, 1, 0, Timestamp::MIN), None);
        assert!(kept(&limited).takes_requests(Timestamp::MIN));
        assert!(!kept(&limited).takes_requests(at(1_000_000 + 86_400)));
    }
}
