//! What the experiments in force make of a request: the arms it comes to, and what they set.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::definition::{Arm, AssignmentUnit, Knob};
use super::lifecycle::Kept;
use crate::domain::decision::{ComplexityTier, Quality, StrategyName};
use crate::domain::exposure::{ExposedUnit, Exposure};
use crate::domain::ids::RequestId;
use crate::domain::prompt::{CacheMode, RouteRequest};

/// What arms make of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    pub exposures: Vec<Exposure>,
    pub strategy: Option<StrategyName>,
    pub model: Option<String>,
    pub quality: Option<Quality>,
    pub system_prefix: Option<String>,
    /// Bound on wrong answers per semantic hit.
    pub cache_error_rate: Option<f64>,
}

/// A request before it is placed.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub id: RequestId,
    pub request: &'a RouteRequest,
    /// How hard the prompt looks.
    pub tier: ComplexityTier,
    /// What is chosen by where the caller names no strategy.
    pub default_strategy: StrategyName,
    pub at: Timestamp,
}

impl Placement {
    /// Places a request: arms that are the default first, then those of active experiments, which go before them.
    ///
    /// Nothing goes before what a caller asks for: a pinned model, a quality other than the usual or a strategy other
    /// than the default keeps a request out of experiments on the route, unless `eligibility` names that quality.
    pub fn of(arrival: &Arrival<'_>, in_force: &[Kept]) -> Self {
        let mut placement = Self::default();
        for (kept, place, arm) in standing(in_force) {
            if arrival.takes_part(kept) {
                placement.take(kept, place, arm, None);
            }
        }
        for kept in in_force.iter().filter(|kept| kept.takes_requests(arrival.at)) {
            let Some((name, unit)) = arrival.unit_in(kept) else { continue };
            if let Some((place, arm)) = kept.experiment.assign(&kept.id.to_string(), &name) {
                placement.take(kept, place, arm, Some(unit));
            }
        }
        placement
    }

    fn take(&mut self, kept: &Kept, place: usize, arm: &Arm, unit: Option<ExposedUnit>) {
        for knob in arm.knobs() {
            match knob {
                Knob::Route => {
                    self.strategy = arm.strategy;
                    self.model.clone_from(&arm.model);
                    self.quality = arm.quality;
                }
                Knob::SystemPrefix => self.system_prefix.clone_from(&arm.system_prefix),
                Knob::CacheErrorRate => self.cache_error_rate = arm.cache_error_rate,
            }
        }
        self.exposures.push(Exposure {
            experiment_id: kept.id,
            experiment: kept.name().to_owned(),
            arm: arm.name.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            unit,
        });
    }

    /// Sets in a request what the arms set.
    pub fn apply(&self, request: &mut RouteRequest) {
        if let Some(strategy) = self.strategy {
            request.strategy = strategy;
        }
        if let Some(quality) = self.quality {
            request.quality = quality;
        }
        if let Some(model) = &self.model {
            request.pinned_model = Some(model.clone());
        }
        if let Some(prefix) = self.system_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            let own = request.system.as_deref().map(|own| format!("\n\n{own}")).unwrap_or_default();
            request.system = Some(format!("{prefix}{own}"));
        }
    }

    /// Names the arms that were assigned, as a cache scope keeps them apart.
    pub fn scope(&self) -> Vec<String> {
        let assigned = self.exposures.iter().filter(|exposure| exposure.unit.is_some());
        assigned.map(|exposure| format!("{}/{}", exposure.experiment_id, exposure.place)).collect()
    }
}

/// Finds the arms that are the default, oldest first: of several that set the same the one that was adopted last. An arm
/// that sets nothing leaves the others as they are.
fn standing(in_force: &[Kept]) -> Vec<(&Kept, usize, &Arm)> {
    let mut adopted: Vec<(&Kept, usize, &Arm)> = in_force
        .iter()
        .filter_map(|kept| {
            let name = &kept.adopted.as_ref()?.arm;
            let mut arms = kept.experiment.definition().arms.iter().enumerate();
            let (place, arm) = arms.find(|(_, arm)| arm.name == *name)?;
            Some((kept, place, arm))
        })
        .collect();
    adopted.sort_by_key(|(kept, ..)| (kept.adopted.as_ref().map(|adopted| adopted.at), kept.id));
    let mut taken = BTreeSet::new();
    adopted.reverse();
    adopted.retain(|(_, _, arm)| {
        let is_free = arm.knobs().all(|knob| !taken.contains(&knob));
        if is_free {
            taken.extend(arm.knobs());
        }
        is_free
    });
    adopted.reverse();
    adopted
}

impl Arrival<'_> {
    /// Says whether an experiment may set what it sets for this request.
    fn takes_part(&self, kept: &Kept) -> bool {
        let Self { request, tier, .. } = self;
        let eligibility = &kept.experiment.definition().eligibility;
        let knobs = kept.experiment.knobs();
        let is_free = request.pinned_model.is_none()
            && (request.quality == Quality::default() || eligibility.quality == Some(request.quality))
            && request.strategy == self.default_strategy;
        eligibility.admits(&request.tags, request.quality, *tier)
            && (is_free || !knobs.contains(&Knob::Route))
            && (request.cache == CacheMode::Use || !knobs.contains(&Knob::CacheErrorRate))
    }

    /// Names the unit that it belongs to, where it takes part.
    fn unit_in(&self, kept: &Kept) -> Option<(String, ExposedUnit)> {
        if !self.takes_part(kept) {
            return None;
        }
        match kept.experiment.definition().unit {
            AssignmentUnit::Request => {
                Some((self.id.to_string(), ExposedUnit::Request { before: self.size() }))
            }
            AssignmentUnit::Session => {
                let session = self.request.session.clone()?;
                Some((session.clone(), ExposedUnit::Session(session)))
            }
        }
    }

    /// Thousands of bytes that are sent, but for what an arm adds.
    fn size(&self) -> f64 {
        let RouteRequest { prompt, system, context, .. } = self.request;
        let turns: usize = context.iter().map(|turn| turn.text.len()).sum();
        (prompt.as_str().len() + turns + system.as_ref().map_or(0, String::len)) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::ExperimentId;
    use crate::domain::prompt::Prompt;
    use crate::experiments::definition::Experiment;
    use crate::experiments::lifecycle::{Adopted, Status};

    fn kept(name: &str, arms: &Value, adopted: Option<(&str, i64)>) -> Kept {
        let definition = json!({ "name": name, "metric": "cost_usd", "arms": arms });
        Kept {
            id: ExperimentId::new(),
            experiment: serde_json::from_value::<Experiment>(definition).expect("an experiment"),
            status: if adopted.is_some() { Status::Stopped } else { Status::Active },
            created_at: Timestamp::UNIX_EPOCH,
            ended: None,
            adopted: adopted.map(|(arm, second)| Adopted {
                arm: arm.to_owned(),
                at: Timestamp::from_second(second).expect("a time"),
            }),
            idempotency_key: None,
        }
    }

    fn place(request: &RouteRequest, in_force: &[Kept]) -> (Placement, RouteRequest) {
        let placement = Placement::of(
            &Arrival {
                id: RequestId::new(),
                request,
                tier: ComplexityTier::Simple,
                default_strategy: StrategyName::Hybrid,
                at: Timestamp::UNIX_EPOCH,
            },
            in_force,
        );
        let mut placed = request.clone();
        placement.apply(&mut placed);
        (placement, placed)
    }

    fn request() -> RouteRequest {
        RouteRequest::new(Prompt::new("x").expect("a prompt"))
    }

    fn pins(name: &str, model: &str) -> Value {
        json!({ "name": name, "model": model })
    }

    #[test]
    fn of_the_arms_adopted_on_a_knob_the_last_counts_and_one_that_sets_nothing_leaves_it() {
        let arms = |model: &str| json!([{ "name": "control" }, pins("new", model)]);
        let older = kept("older", &arms("a"), Some(("new", 10)));
        let newer = kept("newer", &arms("b"), Some(("new", 20)));
        let nothing = kept("nothing", &arms("c"), Some(("control", 30)));
        let (placement, placed) = place(&request(), &[newer, older.clone(), nothing.clone()]);
        assert_eq!(placed.pinned_model.as_deref(), Some("b"));
        assert!(placement.exposures.iter().all(|exposure| exposure.unit.is_none()));
        assert!(placement.scope().is_empty(), "what is the default for all may share answers");
        let (_, placed) = place(&request(), &[nothing, older]);
        assert_eq!(placed.pinned_model.as_deref(), Some("a"));
    }

    #[test]
    fn control_is_what_is_the_default_by_now() {
        let adopted = kept("old", &json!([pins("a", "a"), pins("b", "b")]), Some(("a", 1)));
        let arms = json!([{ "name": "control", "weight": 999 }, { "name": "new", "quality": "economy" }]);
        let running = kept("new", &arms, None);
        for _ in 0..3_000 {
            let (placement, placed) = place(&request(), &[adopted.clone(), running.clone()]);
            let arm = &placement.exposures.last().expect("an exposure").arm;
            let expected =
                if arm == "new" { (None, Quality::Economy) } else { (Some("a"), Quality::Balanced) };
            assert_eq!((placed.pinned_model.as_deref(), placed.quality), expected);
        }
    }

    #[test]
    fn a_prefix_goes_before_the_callers_own_words() {
        let arms = json!([{ "name": "a", "system_prefix": "Be short." }, { "name": "b" }]);
        let adopted = kept("x", &arms, Some(("a", 1)));
        let own = RouteRequest { system: Some("Be kind.".into()), ..request() };
        assert_eq!(
            place(&own, std::slice::from_ref(&adopted)).1.system.as_deref(),
            Some("Be short.\n\nBe kind.")
        );
        assert_eq!(place(&request(), &[adopted]).1.system.as_deref(), Some("Be short."));
    }

    #[test]
    fn whoever_turned_the_cache_off_takes_no_part_in_a_test_of_it() {
        let arms =
            json!([{ "name": "a", "cache_error_rate": 0.01 }, { "name": "b", "cache_error_rate": 0.05 }]);
        let running = kept("x", &arms, None);
        let (placement, _) = place(&request(), std::slice::from_ref(&running));
        assert!(matches!(placement.cache_error_rate, Some(0.01 | 0.05)));
        assert_eq!(placement.scope().len(), 1);
        let off = RouteRequest { cache: CacheMode::Off, ..request() };
        assert_eq!(place(&off, &[running]).0, Placement::default());
    }
}
