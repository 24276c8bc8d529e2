//! Which pairs of prompts a policy serves, and why.

use std::fmt;
use std::str::FromStr;

use crate::cache::admission::{Admission, admission, is_comparable};
use crate::cache::answers::agree;
use crate::cache::betting::Weight;
use crate::cache::calibration::{Calibration, PRIOR};
use crate::cache::compare::{Conversation, Prepared, transcript, veto};
use crate::cache::decision::{Near, judge};
use crate::cache::evidence::Threshold;
use crate::cache::freshness::Volatility;
use crate::cache::scope::{normal_sha256, prompt_sha256};
use crate::domain::prompt::{Prompt, Role, RouteRequest, StorePrompts, Turn};
use crate::embed::Embedded;

/// Gives the score from which on a scope without labels of its own is served, while at most a share of hits in (0, 1) may
/// be wrong; `None`: none is.
pub(super) fn first_threshold(error_rate: f64) -> Option<Threshold> {
    Calibration::new(error_rate, PRIOR.clone()).threshold()
}

/// A cache policy that an experiment runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Policy {
    /// Whatever is as similar as this cosine in [-1, 1], and nothing else is looked at.
    Plain(f32),
    /// vCache, with at most this share of wrong answers per request; for streams only.
    VCache(f64),
    /// The program's own. A pair of prompts is judged as if nothing else were cached, from the score that a scope
    /// without labels of its own begins with.
    Ours,
    /// Not a policy for prompts: whether two answers say the same, as the program's labels have it; for pairs only.
    Answers,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(threshold) => write!(f, "plain:{threshold}"),
            Self::VCache(share) => write!(f, "vcache:{share}"),
            Self::Ours => f.write_str("ours"),
            Self::Answers => f.write_str("answers"),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain =
            || text.strip_prefix("plain:")?.parse().ok().filter(|threshold| (-1.0..=1.0).contains(threshold));
        let vcache =
            || text.strip_prefix("vcache:")?.parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
        match text {
            "ours" => Ok(Self::Ours),
            "answers" => Ok(Self::Answers),
            _ if text.starts_with("vcache:") => vcache()
                .map(Self::VCache)
                .ok_or_else(|| "use vcache:D with a share D between 0 and 1".to_owned()),
            _ => plain()
                .map(Self::Plain)
                .ok_or_else(|| "use ours, answers, or plain:T with a cosine T from -1 to 1".to_owned()),
        }
    }
}

/// What a policy makes of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decision {
    pub(super) is_served: bool,
    /// The cosine under `plain` and `answers`, else the cache's score.
    pub(super) score: f64,
    pub(super) reason: &'static str,
}

/// A prompt with everything that a policy may look at.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) text: &'a str,
    turns: Vec<Turn>,
    pub(super) embedded: &'a Embedded,
    conversation: Conversation,
}

impl<'a> Side<'a> {
    /// Reads a prompt and the turns before it: a JSON array of objects with `role` and `content`, or one text; empty:
    /// there were none.
    pub(super) fn new(text: &'a str, context: &str, embedded: &'a Embedded) -> Self {
        let turns = turns_of(context);
        let conversation = Conversation::read(&transcript(&turns, text));
        Self { text, turns, embedded, conversation }
    }

    pub(super) const fn prepared(&self) -> &Prepared {
        self.conversation.prompt()
    }
}

fn turns_of(context: &str) -> Vec<Turn> {
    let listed: Option<Vec<serde_json::Value>> = serde_json::from_str(context).ok();
    let said = |turn: &serde_json::Value| {
        let role = if turn.get("role")? == "assistant" { Role::Assistant } else { Role::User };
        Some(Turn { role, text: turn.get("content").or_else(|| turn.get("text"))?.as_str()?.to_owned() })
    };
    let one =
        || Some(Turn { role: Role::User, text: context.to_owned() }).filter(|turn| !turn.text.is_empty());
    listed.and_then(|turns| turns.iter().map(said).collect()).unwrap_or_else(|| one().into_iter().collect())
}

impl Policy {
    /// Decides whether the answer to one prompt is served for the other; `first` is the score that `ours` serves from.
    pub(super) fn decide(self, new: &Side<'_>, cached: &Side<'_>, first: Option<Threshold>) -> Decision {
        let cosine = new.embedded.embedding.cosine(&cached.embedded.embedding);
        match self {
            Self::Plain(threshold) => {
                let is_served = cosine >= threshold;
                let reason = if is_served { "similar" } else { "score" };
                Decision { is_served, score: f64::from(cosine), reason }
            }
            // Two prompts alone have taught it nothing, so it asks.
            Self::VCache(_) => Decision { is_served: false, score: f64::from(cosine), reason: "explore" },
            Self::Ours => decide_ours(new, cached, first),
            Self::Answers => {
                let is_whole = !new.embedded.truncated && !cached.embedded.truncated;
                let agreed = agree(new.text, cached.text, is_whole.then_some(cosine));
                let reason = match agreed {
                    Some(true) => "same",
                    Some(false) => "different",
                    None => "undecided",
                };
                Decision { is_served: agreed == Some(true), score: f64::from(cosine), reason }
            }
        }
    }
}

fn decide_ours(new: &Side<'_>, cached: &Side<'_>, first: Option<Threshold>) -> Decision {
    let cosine = new.embedded.embedding.cosine(&cached.embedded.embedding);
    let near = Near { conversation: &cached.conversation, similarity: cosine, group: () };
    let scores = judge(&new.conversation, &[near]).map(|judged| judged.scores);
    let score = scores.map_or(0.0, |scores| scores.verified.clamp(0.0, 1.0));
    let refuse = |reason| Decision { is_served: false, score, reason };
    let (Some(request), Some(other)) = (request(new), request(cached)) else { return refuse("not_cached") };
    let admitted = [&request, &other].map(admitted);
    if admitted.contains(&Admission::Never) {
        return refuse("not_cached");
    }
    if prompt_sha256(&request) == prompt_sha256(&other) {
        return Decision { is_served: true, score: 1.0, reason: "exact" };
    }
    if normal_sha256(&request).is_some_and(|form| normal_sha256(&other) == Some(form)) {
        return Decision { is_served: true, score: 1.0, reason: "normalised_exact" };
    }
    if admitted.contains(&Admission::Exact) {
        return refuse("exact_only");
    }
    if !new.conversation.is_continued_as(&cached.conversation) {
        return refuse("context");
    }
    if ![new, cached].iter().all(|side| is_comparable(side.embedded.truncated, side.embedded.unknown_share)) {
        return refuse("not_comparable");
    }
    let Some(scores) = scores else {
        return refuse(veto(new.prepared(), cached.prepared()).map_or("score", Into::into));
    };
    if first.is_some_and(|first| first.serves(scores.cell(Weight::WHOLE))) {
        Decision { is_served: true, score, reason: "verified" }
    } else {
        refuse("score")
    }
}

/// Says whether a prompt that comes alone may be answered by what answered a similar one.
pub(super) fn is_semantic(text: &str, embedded: &Embedded) -> bool {
    let prompt = Prompt::new(text).map(RouteRequest::new);
    prompt.is_ok_and(|request| admitted(&request) == Admission::Semantic)
        && is_comparable(embedded.truncated, embedded.unknown_share)
}

fn request(side: &Side<'_>) -> Option<RouteRequest> {
    let request = RouteRequest::new(Prompt::new(side.text).ok()?);
    Some(RouteRequest { context: side.turns.clone(), ..request })
}

fn admitted(request: &RouteRequest) -> Admission {
    admission(request, Volatility::of(request.prompt.as_str()), StorePrompts::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::admission::DEFAULT_ERROR_RATE;
    use crate::domain::embedding::{DIMENSIONS, Embedding};

    fn embedded(cosine: f32) -> Embedded {
        let mut numbers = vec![0.0; DIMENSIONS];
        numbers[0] = cosine;
        numbers[1] = (1.0 - cosine * cosine).sqrt();
        let embedding = Embedding::new(numbers).unwrap();
        Embedded { embedding, tokens: 8, truncated: false, unknown_share: 0.0 }
    }

    fn check(policy: Policy, (new, cached): (&str, &str), contexts: (&str, &str), expected: (bool, &str)) {
        let embeddings = (embedded(1.0), embedded(0.97));
        let decision = policy.decide(
            &Side::new(new, contexts.0, &embeddings.0),
            &Side::new(cached, contexts.1, &embeddings.1),
            first_threshold(DEFAULT_ERROR_RATE),
        );
        assert_eq!((decision.is_served, decision.reason), expected, "{new} | {cached}");
    }

    #[test]
    fn plain_looks_at_the_cosine_only() {
        let trap = ("Who won in 2014?", "Who won in 2018?");
        check(Policy::Plain(0.95), trap, ("a", "b"), (true, "similar"));
        check(Policy::Plain(0.98), trap, ("", ""), (false, "score"));
    }

    #[test]
    fn ours_says_why() {
        let same = ("How do I reset my password?", "how do I reset my password");
        check(Policy::Ours, same, ("", ""), (true, "normalised_exact"));
        check(Policy::Ours, same, ("a", "a"), (true, "normalised_exact"));
        check(Policy::Ours, same, ("a", "b"), (false, "context"));
        check(Policy::Ours, same, ("a", ""), (false, "context"));
        check(Policy::Ours, (same.0, same.0), ("a", "a"), (true, "exact"));
        check(Policy::Ours, ("Yes please", "yes please."), ("a", "b"), (false, "exact_only"));
        let turns = r#"[{"role": "user", "content": "a"}]"#;
        check(Policy::Ours, same, ("a", turns), (true, "normalised_exact"));
        check(Policy::Ours, ("Who won in 2014?", "Who won in 2018?"), ("", ""), (false, "number"));
        check(
            Policy::Ours,
            ("What is the weather now", "what is the weather right now"),
            ("", ""),
            (false, "exact_only"),
        );
        check(Policy::Ours, ("How can I reset my password?", same.0), ("", ""), (true, "verified"));
    }

    #[test]
    fn a_policy_that_is_none_is_refused() {
        for text in ["", "theirs", "plain", "plain:x", "plain:1.5", "plain:NaN"] {
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
        assert_eq!("plain:0.95".parse(), Ok(Policy::Plain(0.95)));
        assert_eq!("ours".parse(), Ok(Policy::Ours));
    }
}
