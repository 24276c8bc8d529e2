//! How hard a prompt looks, and the choice that follows from it alone.
//!
//! The score is a logistic sum over the surface features. Its weights are judged on a small labelled
//! set (`tests/fixtures/routing/complexity.tsv`); nobody claims more for them than that.

use super::features::Features;
use super::{Question, Strategy};
use crate::domain::decision::{
    Candidate, Complexity, ComplexityTier, Confidence, Decision, Quality, StrategyName,
};
use crate::domain::model::Tier;
use crate::domain::prompt::RouteRequest;

/// Scores below are simple.
const MODERATE_FROM: f64 = 0.35;
/// Scores from here are complex.
const COMPLEX_FROM: f64 = 0.65;
/// A score this close to a boundary might as well be on its other side.
const DOUBT: f64 = 0.07;

/// Chooses by the prompt's surface alone.
#[derive(Debug, Clone, Copy)]
pub struct ByComplexity;

impl Strategy for ByComplexity {
    fn decide(&self, question: &Question<'_>) -> Decision {
        let request = question.request;
        let features = Features::of(request.prompt.as_str());
        let complexity = complexity_of(&features, request);
        let wanted = required_tier(request.quality, complexity.tier);
        let candidates = ranked(question.candidates, wanted);
        let best = candidates.first();
        let reaches = best.is_some_and(|candidate| candidate.card.tier >= wanted);
        let is_doubtful =
            [MODERATE_FROM, COMPLEX_FROM].iter().any(|boundary| (complexity.score - boundary).abs() < DOUBT);
        let confidence = if reaches && !is_doubtful { Confidence::Medium } else { Confidence::Low };
        let reason = explain(&Explanation { complexity, features, wanted, candidates: &candidates, request });
        Decision { strategy: StrategyName::Complexity, complexity, confidence, reason, candidates }
    }
}

/// Scores a prompt in the company it comes in.
pub fn complexity_of(features: &Features, request: &RouteRequest) -> Complexity {
    let capped = |count: usize, cap: usize| count.min(cap) as f64;
    let length = (features.words as f64 / 12.0).ln_1p();
    let sum = -2.1 + 0.75 * length - if features.is_lookup && features.words < 20 { 1.3 } else { 0.0 }
        + 1.05 * capped(features.reasoning_words, 4)
        + 0.55 * capped(features.explanation_words, 2)
        + 0.75 * capped(features.maths_marks, 4)
        + 0.45 * capped(features.code_marks, 4)
        + 0.25 * capped(features.steps, 6)
        + 0.25 * capped(features.constraints, 4)
        + 0.20 * capped(features.questions.saturating_sub(1), 3)
        + 0.10 * capped(request.context.len(), 5)
        + if features.is_other_script { 0.4 } else { 0.0 };
    let score = 1.0 / (1.0 + (-sum).exp());
    let tier = match score {
        score if score < MODERATE_FROM => ComplexityTier::Simple,
        score if score < COMPLEX_FROM => ComplexityTier::Moderate,
        _ => ComplexityTier::Complex,
    };
    Complexity { score, tier }
}

/// Says how good a model a prompt of this difficulty needs.
pub(super) fn required_tier(quality: Quality, complexity: ComplexityTier) -> Tier {
    match (quality, complexity) {
        (Quality::Best, _) | (Quality::Balanced, ComplexityTier::Complex) => Tier::Best,
        (Quality::Balanced, ComplexityTier::Moderate) | (Quality::Economy, ComplexityTier::Complex) => {
            Tier::Balanced
        }
        (Quality::Balanced, ComplexityTier::Simple) | (Quality::Economy, _) => Tier::Economy,
    }
}

/// Orders the candidates: those good enough by price, then the others from the best down.
fn ranked(candidates: &[Candidate], wanted: Tier) -> Vec<Candidate> {
    let mut ranked = candidates.to_vec();
    ranked.sort_by_key(|candidate| {
        let price = candidate.estimate.map(|estimate| estimate.expected);
        let shortfall = (wanted as u8).saturating_sub(candidate.card.tier as u8);
        // An unknown price sorts after every known one.
        (shortfall, price.is_none(), price)
    });
    ranked
}

struct Explanation<'a> {
    complexity: Complexity,
    features: Features,
    wanted: Tier,
    candidates: &'a [Candidate],
    request: &'a RouteRequest,
}

fn explain(decision: &Explanation<'_>) -> String {
    let Explanation { complexity, features, wanted, candidates, request } = decision;
    let marks: Vec<String> = [
        (features.reasoning_words, "reasoning words"),
        (features.maths_marks, "maths marks"),
        (features.code_marks, "code marks"),
        (features.explanation_words, "explanation words"),
        (features.steps, "steps"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    let seen = if marks.is_empty() {
        format!("{} words{}", features.words, if features.is_lookup { ", a look-up" } else { "" })
    } else {
        format!("{} words, {}", features.words, marks.join(", "))
    };
    let mut reason = format!(
        "looks {} ({:.2}: {seen}); quality {} asks for tier {wanted}",
        complexity.tier, complexity.score, request.quality
    );
    if let Some(chosen) = candidates.first() {
        let price = chosen
            .estimate
            .map_or_else(|| "price unknown".to_owned(), |estimate| format!("about {}", estimate.expected));
        let rank = if request.pinned_model.is_some() {
            "it was pinned".to_owned()
        } else if chosen.card.tier >= *wanted {
            let reaching = candidates.iter().filter(|candidate| candidate.card.tier >= *wanted).count();
            format!("the cheapest of {reaching} that reach it")
        } else {
            format!("no model that may be asked reaches it, so the best there is ({})", chosen.card.tier)
        };
        reason.push_str(&format!("; {} is chosen: {rank}, {price}", chosen.card.reference));
    }
    if let Some(next) = candidates.get(1) {
        reason.push_str(&format!("; next would be {}", next.card.reference));
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Prompt;

    const LABELLED: &str = include_str!("../../tests/fixtures/routing/complexity.tsv");

    fn tier_of(prompt: &str) -> Complexity {
        let request = RouteRequest::new(Prompt::new(prompt).expect("a prompt"));
        complexity_of(&Features::of(prompt), &request)
    }

    #[test]
    fn labelled_prompts_look_as_hard_as_they_are() {
        let rows: Vec<_> = LABELLED.lines().skip(1).filter_map(|line| line.split_once('\t')).collect();
        let wrong: Vec<_> = rows
            .iter()
            .map(|(tier, prompt)| (tier, prompt, tier_of(prompt)))
            .filter(|(tier, _, complexity)| complexity.tier.to_string() != **tier)
            .collect();
        let is_far = |tier: &str, complexity: &Complexity| {
            (tier == "simple" && complexity.tier == ComplexityTier::Complex)
                || (tier == "complex" && complexity.tier == ComplexityTier::Simple)
        };
        assert!(
            wrong.iter().all(|(tier, _, complexity)| !is_far(tier, complexity)),
            "two tiers off: {wrong:#?}"
        );
        assert!(wrong.len() * 10 <= rows.len(), "{} of {} wrong: {wrong:#?}", wrong.len(), rows.len());
    }

    #[test]
    fn a_capital_is_simple_and_a_hard_integral_is_not() {
        assert_eq!(tier_of("What is the capital of France?").tier, ComplexityTier::Simple);
        let integral = "Compute the integral of ln(1+x)/(1+x^2) from 0 to 1 in closed form.";
        assert_ne!(tier_of(integral).tier, ComplexityTier::Simple);
    }
}
