//! What the outcomes of similar prompts say about a model: an expected share of good answers, between what was expected
//! before and the weighted mean of the outcomes.
//!
//! p = (Σ weight · score + m · prior) / (Σ weight + m), where the prior counts as much as m outcomes of the very
//! same prompt. Kernel and m are chosen on RouteLLM's MMLU outcomes.

use std::collections::HashMap;

use crate::domain::decision::ExpectedQuality;
use crate::domain::model::ModelRef;
use crate::domain::outcome::Outcome;

/// Prompts with a cosine below say nothing about each other; two that were picked at random have about 0.1.
const UNRELATED: f64 = 0.3;
/// Time after which an outcome counts half: models change under their names.
const HALF_LIFE_DAYS: f64 = 90.0;
/// Scores from here count as good when they are counted.
const GOOD_FROM: f64 = 0.5;
/// The most that the outcomes of one session count together, so that nobody outvotes everybody.
const SESSION_LIMIT: f64 = 5.0;
/// Standard deviations on either side of an expected quality that hold 90 %.
const NINETY_PERCENT: f64 = 1.645;
/// The least variance of an outcome that intervals are made with: nothing is ever sure.
const LEAST_VARIANCE: f64 = 0.02;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// What is known about one model before the outcomes of similar prompts are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    /// Expected share of good answers, in [0, 1].
    pub mean: f64,
    /// Outcomes of the very same prompt that would count as much.
    pub strength: f64,
    /// Outcomes that the mean rests on.
    pub outcomes: f64,
}

/// What is expected of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    pub quality: ExpectedQuality,
    /// The evidence, as a number of outcomes of the very same prompt today.
    pub weight: f64,
    /// Outcomes that count at all.
    pub outcomes: usize,
    /// Those of them that were good.
    pub good: usize,
}

/// Says how much an outcome counts, in [0, 1]: the nearness of its prompt, halved every 90 days.
pub fn weight(outcome: &Outcome) -> f64 {
    let nearness = ((f64::from(outcome.similarity) - UNRELATED) / (1.0 - UNRELATED)).clamp(0.0, 1.0);
    let age_days = outcome.age_seconds as f64 / SECONDS_PER_DAY;
    nearness * (-age_days / HALF_LIFE_DAYS).exp2()
}

/// Expects of a model what its prior and its outcomes say; the order of the outcomes does not matter.
pub fn expectation(model: &ModelRef, prior: Prior, evidence: &[Outcome]) -> Expectation {
    let mut weighed: Vec<(f64, f64, Option<&str>)> = evidence
        .iter()
        .filter(|outcome| model.is_billed_as(&outcome.reference))
        .map(|outcome| (weight(outcome), outcome.score.get(), outcome.session.as_deref()))
        .filter(|(weight, _, _)| *weight > 0.0)
        .collect();
    // Sums of floating-point numbers depend on their order, so it is fixed.
    weighed.sort_by(|left, right| {
        left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)).then(left.2.cmp(&right.2))
    });
    let mut sessions: HashMap<&str, f64> = HashMap::new();
    for (weight, _, session) in &weighed {
        if let Some(session) = session {
            *sessions.entry(session).or_default() += weight;
        }
    }
    let (mut weight, mut squares, mut scores) = (0.0, 0.0, 0.0);
    for (own, score, session) in &weighed {
        let together = session.and_then(|session| sessions.get(session)).copied().unwrap_or_default();
        let own = own * (SESSION_LIMIT / together.max(SESSION_LIMIT));
        weight += own;
        squares += own * own;
        scores += own * score;
    }
    let mean = ((scores + prior.strength * prior.mean) / (weight + prior.strength)).clamp(0.0, 1.0);
    let independent = if squares > 0.0 { weight * weight / squares } else { 0.0 };
    let variance = (mean * (1.0 - mean)).max(LEAST_VARIANCE) / (independent + prior.outcomes + 1.0);
    let half = NINETY_PERCENT * variance.sqrt();
    Expectation {
        quality: ExpectedQuality { mean, low: (mean - half).max(0.0), high: (mean + half).min(1.0) },
        weight,
        outcomes: weighed.len(),
        good: weighed.iter().filter(|(_, score, _)| *score >= GOOD_FROM).count(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::model::ProviderId;
    use crate::domain::outcome::OutcomeSource;
    use crate::domain::rating::Score;
    use proptest::prelude::*;

    /// An outcome of a model of today.
    pub(in crate::routing) fn outcome(model: &str, similarity: f32, score: f64) -> Outcome {
        Outcome {
            similarity,
            reference: ModelRef { provider: ProviderId::Anthropic, model: model.to_owned() },
            score: Score::new(score).expect("a score"),
            source: OutcomeSource::Rating,
            age_seconds: 0,
            session: None,
        }
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        ("[ab]", -1.0..=1.0_f32, 0.0..=1.0_f64, 0..100_000_000_u64).prop_map(
            |(model, similarity, score, age_seconds)| Outcome {
                age_seconds,
                ..outcome(&model, similarity, score)
            },
        )
    }

    fn of_a(evidence: &[Outcome]) -> Expectation {
        expectation(
            &outcome("a", 1.0, 1.0).reference,
            Prior { mean: 0.8, strength: 4.0, outcomes: 4.0 },
            evidence,
        )
    }

    proptest! {
        #[test]
        fn the_order_of_outcomes_does_not_matter(
            (evidence, shuffled) in prop::collection::vec(any_outcome(), 0..30)
                .prop_flat_map(|evidence| (Just(evidence.clone()), Just(evidence).prop_shuffle())),
        ) {
            prop_assert_eq!(of_a(&evidence), of_a(&shuffled));
        }

        #[test]
        fn a_good_outcome_never_lowers_and_a_bad_one_never_raises(
            evidence in prop::collection::vec(any_outcome(), 0..30),
            similarity in -1.0..=1.0_f32,
        ) {
            let with = |score| {
                let mut more = evidence.clone();
                more.push(outcome("a", similarity, score));
                of_a(&more).quality.mean
            };
            let before = of_a(&evidence).quality.mean;
            prop_assert!(with(1.0) >= before - 1e-12 && with(0.0) <= before + 1e-12);
            prop_assert!((0.0..=1.0).contains(&before));
        }
    }

    #[test]
    fn an_outcome_counts_by_nearness_and_age() {
        let check = |similarity, age_days: u64, expected: f64| {
            let outcome = Outcome { age_seconds: age_days * 86_400, ..outcome("a", similarity, 1.0) };
            assert!((weight(&outcome) - expected).abs() < 1e-6, "{outcome:?}: {}", weight(&outcome));
        };
        check(1.0, 0, 1.0);
        check(0.65, 0, 0.5);
        check(0.3, 0, 0.0);
        check(-1.0, 0, 0.0);
        check(1.0, 90, 0.5);
        check(0.65, 180, 0.125);
    }

    #[test]
    fn evidence_takes_over_from_the_prior_as_it_grows() {
        let bad = |count| of_a(&vec![outcome("a", 1.0, 0.0); count]).quality.mean;
        assert_eq!(bad(0), 0.8);
        assert!((bad(4) - 0.4).abs() < 1e-12 && bad(100) < 0.04);
        assert_eq!(of_a(&[outcome("b", 1.0, 0.0)]).quality.mean, 0.8, "another model's");
    }

    #[test]
    fn one_session_does_not_outvote_the_others() {
        let angry = |session: Option<&str>| {
            let mut evidence = vec![outcome("a", 1.0, 1.0); 20];
            let bad = Outcome { session: session.map(str::to_owned), ..outcome("a", 1.0, 0.0) };
            evidence.extend(vec![bad; 1_000]);
            of_a(&evidence).quality.mean
        };
        assert!(angry(None) < 0.1 && angry(Some("one")) > 0.7, "{} {}", angry(None), angry(Some("one")));
    }

    #[test]
    fn an_interval_narrows_with_evidence_and_holds_the_mean() {
        let width = |count| {
            let quality = of_a(&vec![outcome("a", 0.9, 1.0); count]).quality;
            assert!(quality.low <= quality.mean && quality.mean <= quality.high && quality.high <= 1.0);
            quality.high - quality.low
        };
        assert!(width(0) > width(5) && width(5) > width(100));
    }
}
