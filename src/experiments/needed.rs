//! What would change an undecided verdict.

use super::definition::{AssignmentUnit, Experiment};
use super::judge::Judge;
use super::plan::first_from;
use super::sequence::FEWEST;
use super::verdict::Claim;

/// More of what is needed, if what was seen goes on as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Needed {
    /// More units in each arm.
    pub units_per_arm: u64,
    /// More requests in all arms together.
    pub requests: u64,
    /// In words.
    pub what: String,
}

/// Finds the nearest change: the claim that first becomes known if its difference stays as it is.
pub(super) fn needed(
    experiment: &Experiment,
    requests: u64,
    claims: &[Claim],
    judge: Judge,
) -> Option<Needed> {
    let definition = experiment.definition();
    let per_arm = |requests: u64| requests / definition.arms.len() as u64;
    let sequence = match judge {
        Judge::Sequential(sequence) => sequence,
        Judge::NotYet => {
            let end = definition.max_requests?;
            let left = end.saturating_sub(requests);
            let what =
                format!("{left} more requests: the method is fixed, so it is judged once, after {end}");
            return Some(Needed { units_per_arm: per_arm(left), requests: left, what });
        }
        Judge::Fixed { .. } => return None,
    };
    let nearest = claims
        .iter()
        .filter_map(|claim| {
            let estimate = claim.estimate?;
            let margin = definition.equivalence_margin.filter(|_| claim.margin.is_none());
            let is_decided = |units: f64| {
                let estimate = estimate.after(units);
                let radius = sequence.radius(units);
                let (low, high) = estimate.interval(radius);
                estimate.fewest >= FEWEST
                    && (estimate.distance(claim.null) > radius
                        || margin.is_some_and(|margin| -margin < low && high < margin))
            };
            let units = first_from(estimate.units, is_decided)?;
            (!claim.is_known()).then_some((claim, estimate.units, units))
        })
        .min_by(|one, other| (one.2 / one.1).total_cmp(&(other.2 / other.1)));
    let Some((claim, now, units)) = nearest else {
        let few = FEWEST as u64;
        let what =
            format!("outcomes: nothing is said before each arm has {few} units with one, not all alike");
        return Some(Needed { units_per_arm: few, requests: few * definition.arms.len() as u64, what });
    };
    let more = ((units - now).ceil() as u64).max(1);
    let more_requests = match definition.unit {
        AssignmentUnit::Request => more * definition.arms.len() as u64,
        AssignmentUnit::Session => 0,
    }
    .max((requests as f64 * (units / now - 1.0)).ceil() as u64);
    let arm = definition.arms.get(claim.arm).map(|arm| arm.name.as_str()).unwrap_or_default();
    let beyond = definition.max_requests.filter(|limit| requests.saturating_add(more_requests) > *limit);
    let limit = beyond.map(|limit| format!("; max_requests ends it at {limit}")).unwrap_or_default();
    let what = format!(
        "about {more_requests} more requests, if {} of `{arm}` goes on as it is{limit}",
        claim.metric
    );
    Some(Needed { units_per_arm: more, requests: more_requests, what })
}
