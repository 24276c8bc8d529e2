//! What makes a definition an experiment. Every refusal names the input and the way out.

use std::collections::HashSet;

use super::definition::{Arm, Definition, Method, Metric};
use super::sequence::FEWEST;
use crate::domain::money::Usd;

/// Characters of a name of an experiment, an arm or a tag.
pub const MAX_NAME_CHARS: usize = 100;
/// Arms of an experiment.
pub const MAX_ARMS: usize = 8;
/// Characters of a hypothesis or of a prefix of the system prompt.
const MAX_TEXT_CHARS: usize = 20_000;
/// An arm with a smaller share learns nothing in a lifetime.
const SMALLEST_SHARE: f64 = 0.001;

/// Why a definition is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadDefinition {
    #[error(
        "{what} is blank, longer than {MAX_NAME_CHARS} characters, or holds a control character; hint: give it a short name"
    )]
    Name { what: String },
    #[error(
        "{what} is longer than {MAX_TEXT_CHARS} characters or holds a NUL character; hint: shorten it and remove the NUL"
    )]
    Text { what: String },
    #[error(
        "arms has {0}; an experiment compares 2 to {MAX_ARMS}; hint: the first is control, as it is now, the others are what you want to try"
    )]
    Arms(usize),
    #[error("two arms are named `{0}`; hint: give each its own name")]
    SameName(String),
    #[error(
        "weight of arm `{arm}` is {weight}; it must be a positive number; hint: weights are relative (1 and 1 are halves); leave an arm out that is to get nothing"
    )]
    Weight { arm: String, weight: f64 },
    #[error(
        "weight of arm `{arm}` is {share:e} of all; an arm needs 0.001 of the requests at least; hint: bring the weights closer together"
    )]
    Share { arm: String, share: f64 },
    #[error(
        "arms `{0}` and `{1}` act alike; hint: let them differ in model, strategy, quality, system_prefix or cache_error_rate (a pinned model makes strategy and quality idle)"
    )]
    Alike(String, String),
    #[error("cache_error_rate of arm `{arm}` is {rate}; it lies above 0 and is at most 0.5")]
    CacheErrorRate { arm: String, rate: f64 },
    #[error("alpha is {0}; it lies above 0 and is at most 0.5; hint: 0.05 is usual")]
    Alpha(f64),
    #[error(
        "{what} is {value}; it must be a positive number in the unit of {metric}{}",
        if .metric.is_bounded() { ", below 1" } else { "" }
    )]
    Margin { what: &'static str, value: f64, metric: Metric },
    #[error("guardrail on {0}, which is the metric itself; hint: guard another metric, or leave it out")]
    GuardsItself(Metric),
    #[error("two guardrails on {0}; hint: keep the one with the smaller margin")]
    GuardsTwice(Metric),
    #[error(
        "method fixed needs max_requests: it is judged once, after so many; hint: set max_requests, or use method sequential"
    )]
    NoEnd,
    #[error(
        "max_requests is {0}; the smallest arm would get fewer than {FEWEST} requests, and nothing is said below that; hint: at least {1}"
    )]
    TooFew(u64, u64),
    #[error("{0} is 0 or less; hint: leave it out for no limit")]
    NoLimit(&'static str),
}

/// Checks every value of a definition.
pub(super) fn check(definition: &Definition) -> Result<(), BadDefinition> {
    check_names(definition)?;
    check_arms(&definition.arms)?;
    if !(definition.alpha > 0.0 && definition.alpha <= 0.5) {
        return Err(BadDefinition::Alpha(definition.alpha));
    }
    check_margins(definition)?;
    check_limits(definition)
}

fn check_names(definition: &Definition) -> Result<(), BadDefinition> {
    check_name("name", &definition.name)?;
    for arm in &definition.arms {
        check_name("the name of an arm", &arm.name)?;
        if let Some(model) = &arm.model {
            check_name(&format!("model of arm `{}`", arm.name), model)?;
        }
        check_text(&format!("system_prefix of arm `{}`", arm.name), arm.system_prefix.as_deref())?;
    }
    for tag in &definition.eligibility.tags {
        check_name("a tag of eligibility", tag)?;
    }
    check_text("hypothesis", definition.hypothesis.as_deref())
}

fn check_name(what: &str, name: &str) -> Result<(), BadDefinition> {
    let is_bad =
        name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control);
    if is_bad { Err(BadDefinition::Name { what: what.to_owned() }) } else { Ok(()) }
}

fn check_text(what: &str, text: Option<&str>) -> Result<(), BadDefinition> {
    let is_bad = text.is_some_and(|text| text.chars().count() > MAX_TEXT_CHARS || text.contains('\0'));
    if is_bad { Err(BadDefinition::Text { what: what.to_owned() }) } else { Ok(()) }
}

fn check_arms(arms: &[Arm]) -> Result<(), BadDefinition> {
    if !(2..=MAX_ARMS).contains(&arms.len()) {
        return Err(BadDefinition::Arms(arms.len()));
    }
    let mut names = HashSet::new();
    for arm in arms {
        if !names.insert(&arm.name) {
            return Err(BadDefinition::SameName(arm.name.clone()));
        }
        if !(arm.weight > 0.0 && arm.weight.is_finite()) {
            return Err(BadDefinition::Weight { arm: arm.name.clone(), weight: arm.weight });
        }
        if let Some(rate) = arm.cache_error_rate.filter(|rate| !(*rate > 0.0 && *rate <= 0.5)) {
            return Err(BadDefinition::CacheErrorRate { arm: arm.name.clone(), rate });
        }
    }
    let sum: f64 = arms.iter().map(|arm| arm.weight).sum();
    for arm in arms {
        let share = arm.weight / sum;
        if share < SMALLEST_SHARE {
            return Err(BadDefinition::Share { arm: arm.name.clone(), share });
        }
    }
    for (place, arm) in arms.iter().enumerate() {
        if let Some(other) = arms.iter().skip(place + 1).find(|other| acts(other) == acts(arm)) {
            return Err(BadDefinition::Alike(arm.name.clone(), other.name.clone()));
        }
    }
    Ok(())
}

/// Gives an arm as far as it changes anything.
fn acts(arm: &Arm) -> Arm {
    let is_routed = arm.model.is_none();
    Arm {
        name: String::new(),
        weight: 1.0,
        strategy: arm.strategy.filter(|_| is_routed),
        model: arm.model.as_ref().map(|model| model.trim().to_owned()),
        quality: arm.quality.filter(|_| is_routed),
        system_prefix: arm.system_prefix.clone().filter(|prefix| !prefix.is_empty()),
        cache_error_rate: arm.cache_error_rate,
    }
}

fn check_margins(definition: &Definition) -> Result<(), BadDefinition> {
    let metric = definition.metric;
    let check = |what, value: f64, metric: Metric| {
        let is_good = value > 0.0 && value.is_finite() && !(metric.is_bounded() && value >= 1.0);
        if is_good { Ok(()) } else { Err(BadDefinition::Margin { what, value, metric }) }
    };
    definition.minimum_effect.map_or(Ok(()), |effect| check("minimum_effect", effect, metric))?;
    definition.equivalence_margin.map_or(Ok(()), |margin| check("equivalence_margin", margin, metric))?;
    let mut guarded = HashSet::new();
    for guardrail in &definition.guardrails {
        check("the margin of a guardrail", guardrail.margin, guardrail.metric)?;
        if guardrail.metric == metric {
            return Err(BadDefinition::GuardsItself(metric));
        }
        if !guarded.insert(guardrail.metric.to_string()) {
            return Err(BadDefinition::GuardsTwice(guardrail.metric));
        }
    }
    Ok(())
}

fn check_limits(definition: &Definition) -> Result<(), BadDefinition> {
    if definition.max_days == Some(0) {
        return Err(BadDefinition::NoLimit("max_days"));
    }
    if definition.max_spend_pico.is_some_and(|limit| limit <= Usd::ZERO) {
        return Err(BadDefinition::NoLimit("max_spend_usd"));
    }
    if definition.tightest_at == Some(0) {
        return Err(BadDefinition::NoLimit("tightest_at"));
    }
    let Some(requests) = definition.max_requests else {
        return if definition.method == Method::Fixed { Err(BadDefinition::NoEnd) } else { Ok(()) };
    };
    let sum: f64 = definition.arms.iter().map(|arm| arm.weight).sum();
    let smallest = definition.arms.iter().map(|arm| arm.weight).fold(f64::INFINITY, f64::min) / sum;
    let needed = (FEWEST / smallest).ceil() as u64;
    if requests < needed { Err(BadDefinition::TooFew(requests, needed)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::experiments::definition::{Experiment, Knob};

    /// Puts members into a good definition, or takes them out with `null`, and gives the refusal.
    fn refusal(changes: &Value) -> String {
        let mut text = json!({
            "name": "cheaper", "metric": "cost_usd", "method": "sequential",
            "arms": [{ "name": "now" }, { "name": "new", "model": "m" }],
        });
        let members = text.as_object_mut().expect("an object");
        for (name, value) in changes.as_object().expect("an object") {
            members.insert(name.clone(), value.clone());
        }
        let definition: Definition = serde_json::from_value(text).expect("a definition");
        Experiment::try_from(definition).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn bad_input_is_named_with_the_way_out() {
        assert_eq!(refusal(&json!({})), "");
        let arm = |name: &str, model: &str| json!({ "name": name, "model": model });
        let weighed = |weight: f64| json!({ "arms": [{ "name": "a", "weight": weight }, { "name": "b", "model": "m", "weight": 1.0 }] });
        let nine: Vec<Value> = (0..9).map(|place| arm(&format!("a{place}"), &format!("m{place}"))).collect();
        let guard = |metric: &str, margin: f64| json!({ "metric": metric, "margin": margin });
        for (changes, words) in [
            (json!({ "name": " " }), "name is blank"),
            (json!({ "name": "a\u{7}" }), "control character"),
            (json!({ "name": "é".repeat(101) }), "longer than 100"),
            (json!({ "hypothesis": "a\u{0}" }), "hypothesis"),
            (json!({ "arms": [] }), "arms has 0"),
            (json!({ "arms": [arm("a", "m")] }), "arms has 1"),
            (json!({ "arms": nine }), "arms has 9"),
            (json!({ "arms": [arm("a", "m"), arm("a", "n")] }), "two arms are named `a`"),
            (json!({ "arms": [arm("a", "m"), arm("b", " m ")] }), "arms `a` and `b` act alike"),
            (
                json!({ "arms": [arm("a", "m"), { "name": "b", "model": "m", "strategy": "learning", "quality": "best" }] }),
                "act alike",
            ),
            (json!({ "arms": [{ "name": "a" }, { "name": "b", "system_prefix": "" }] }), "act alike"),
            (
                json!({ "arms": [{ "name": "a" }, { "name": "b", "cache_error_rate": 0.6 }] }),
                "cache_error_rate of arm `b`",
            ),
            (weighed(-1.0), "weight of arm `a` is -1"),
            (weighed(0.0), "leave an arm out"),
            (weighed(1e-4), "0.001 of the requests"),
            (json!({ "alpha": 0.0 }), "alpha is 0"),
            (json!({ "alpha": 0.51 }), "at most 0.5"),
            (json!({ "minimum_effect": -1.0 }), "minimum_effect is -1"),
            (json!({ "metric": "rating", "equivalence_margin": 1.0 }), "below 1"),
            (json!({ "guardrails": [guard("rating", 0.0)] }), "margin of a guardrail is 0"),
            (json!({ "guardrails": [guard("cost_usd", 1.0)] }), "the metric itself"),
            (
                json!({ "guardrails": [guard("rating", 0.1), guard("rating", 0.2)] }),
                "two guardrails on rating",
            ),
            (json!({ "method": "fixed" }), "set max_requests"),
            (json!({ "max_requests": 59 }), "at least 60"),
            (json!({ "max_days": 0 }), "max_days is 0"),
            (json!({ "max_spend_pico": -1 }), "max_spend_usd is 0 or less"),
        ] {
            let refusal = refusal(&changes);
            assert!(refusal.contains(words), "{changes}: {refusal}");
        }
        for weight in [f64::NAN, f64::INFINITY] {
            let mut arm = Arm::new("a");
            arm.weight = weight;
            assert!(matches!(check_arms(&[arm, Arm::new("b")]), Err(BadDefinition::Weight { .. })));
        }
        let huge = |name: &str, model: &str| Arm {
            weight: f64::MAX,
            model: Some(model.to_owned()),
            ..Arm::new(name)
        };
        assert!(matches!(check_arms(&[huge("a", "m"), huge("b", "n")]), Err(BadDefinition::Share { .. })));
    }

    #[test]
    fn a_store_gets_back_what_it_was_given() {
        let text = json!({
            "name": "x", "hypothesis": "h", "metric": "rating", "unit": "session", "direction": "lower", "alpha": 0.01,
            "arms": [
                { "name": "a", "weight": 3.0, "strategy": "learning", "quality": "best" },
                { "name": "b", "weight": 1.0, "system_prefix": "Be brief.", "cache_error_rate": 0.01 },
            ],
            "guardrails": [{ "metric": "latency_ms", "margin": 50.0 }], "minimum_effect": 0.02,
            "equivalence_margin": 0.01, "method": "fixed", "max_requests": 1000, "max_days": 7,
            "max_spend_pico": 5_000_000_000_000_i64, "auto_stop": true, "salt": "s", "tightest_at": 400,
            "eligibility": { "tags": ["t"], "quality": "economy", "tier": "complex" },
        });
        let experiment: Experiment = serde_json::from_value(text.clone()).expect("an experiment");
        assert_eq!(serde_json::to_value(&experiment).expect("JSON"), text);
        assert_eq!(experiment.knobs(), [Knob::Route, Knob::SystemPrefix, Knob::CacheErrorRate].into());
        assert_eq!(experiment.shares(), [0.75, 0.25]);
        for bad in [json!({ "strategy": "magic" }), json!({ "colour": "red" })] {
            let mut text = text.clone();
            text["arms"][0]
                .as_object_mut()
                .expect("an arm")
                .extend(bad.as_object().expect("members").clone());
            assert!(serde_json::from_value::<Experiment>(text).is_err(), "{bad}");
        }
    }
}
