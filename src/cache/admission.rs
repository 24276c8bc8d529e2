//! Which requests the cache may answer, and which answers it may keep.

use super::compare::{Conversation, transcript};
use super::freshness::Volatility;
use super::privacy::is_private;
use crate::domain::answer::FinishReason;
use crate::domain::prompt::{CacheMode, RouteRequest, StorePrompts, is_mostly_latin};

/// Warmer requests want a new answer each time.
const MAX_TEMPERATURE: f64 = 0.3;
/// Texts with more unknown word pieces embed into the same few points.
const MAX_UNKNOWN_SHARE: f64 = 0.1;
/// Longer conversations are answered exactly only: their turns are kept to be compared.
const MAX_COMPARED_TURNS_BYTES: usize = 16_384;
/// The cosine that serves an entry, where the user sets none.
pub const DEFAULT_SIMILARITY_THRESHOLD: f32 = 0.95;
/// The share of hits that may be wrong, where the user sets none.
pub const DEFAULT_ERROR_RATE: f64 = 0.02;
/// Neighbours looked at for one prompt.
pub const NEIGHBOURS: usize = 5;

/// When the answer to a similar prompt is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CachePolicy {
    /// From this cosine on, where the prompts differ in nothing that an answer would not survive; nothing is known of
    /// how often that is wrong.
    Plain { threshold: f32 },
    /// While at most this share of hits is wrong.
    Calibrated {
        /// In (0, 1).
        rate: f64,
        /// The share of hits that are audited, in (0, 1]; absent: a tenth, falling as audits add up.
        audit_rate: Option<f64>,
    },
}

impl CachePolicy {
    /// Gives the share of hits that may be wrong, where it is bounded.
    pub const fn error_rate(self) -> Option<f64> {
        match self {
            Self::Plain { .. } => None,
            Self::Calibrated { rate, .. } => Some(rate),
        }
    }

    /// Gives the same policy with another bound.
    #[must_use]
    pub const fn with_error_rate(self, rate: f64) -> Self {
        let audit_rate = match self {
            Self::Plain { .. } => None,
            Self::Calibrated { audit_rate, .. } => audit_rate,
        };
        Self::Calibrated { rate, audit_rate }
    }
}

/// What the cache may do for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Nothing: the request is not repeatable, or not to be kept.
    Never,
    /// Only an answer to exactly this prompt.
    Exact,
    /// An answer to a prompt that is near enough, too.
    Semantic,
}

/// Says what the cache may do for a request, before anything is looked up.
pub fn admission(request: &RouteRequest, volatility: Volatility, kept: StorePrompts) -> Admission {
    let prompt = request.prompt.as_str();
    let is_repeatable = request.cache != CacheMode::Off
        && request.temperature.is_none_or(|temperature| temperature <= MAX_TEMPERATURE)
        && !wants_something_new(prompt);
    let is_kept_out = || {
        !kept.keeps_private_text()
            && (is_private(prompt)
                || request.system.as_deref().is_some_and(is_private)
                || request.context.iter().any(|turn| is_private(&turn.text)))
    };
    if !is_repeatable || is_kept_out() {
        Admission::Never
    } else if !kept.keeps_text()
        || volatility == Volatility::Live
        || !is_mostly_latin(prompt)
        || !(request.context.is_empty() || may_be_reworded(request))
    {
        Admission::Exact
    } else {
        Admission::Semantic
    }
}

/// Says whether the answer to a prompt could be that to another after other turns.
fn may_be_reworded(request: &RouteRequest) -> bool {
    let turns = &request.context;
    turns.iter().all(|turn| !turn.text.trim().is_empty())
        && turns.iter().map(|turn| turn.text.len()).sum::<usize>() <= MAX_COMPARED_TURNS_BYTES
        && Conversation::read(&transcript(turns, request.prompt.as_str())).may_be_reworded()
}

/// Says whether an embedding stands for the whole prompt, so that its neighbours mean something.
pub fn is_comparable(is_truncated: bool, unknown_share: f64) -> bool {
    !is_truncated && unknown_share <= MAX_UNKNOWN_SHARE
}

/// Says whether an answer may be kept: whole, not empty, and without anything that is not to be kept.
pub fn may_store(text: &str, finish_reason: FinishReason, kept: StorePrompts) -> bool {
    finish_reason == FinishReason::Stop
        && !text.trim().is_empty()
        && (kept.keeps_private_text() || !is_private(text))
}

/// Says whether a prompt asks for something made up, which nobody wants to get twice.
fn wants_something_new(prompt: &str) -> bool {
    const NEW_WORDS: [&str; 9] = [
        "random",
        "randomly",
        "brainstorm",
        "again",
        "regenerate",
        "surprise",
        "joke",
        "shuffle",
        "creative",
    ];
    /// Other things of a kind may be asked about, too: "Can I switch to another network?"
    const OTHERS: [&str; 2] = ["another", "different"];
    const CREATIVE_WORKS: [&str; 11] = [
        "poem", "haiku", "limerick", "story", "song", "lyrics", "sonnet", "riddle", "slogan", "names",
        "tagline",
    ];
    const MAKING: [&str; 8] = ["write", "compose", "create", "invent", "generate", "make", "suggest", "give"];
    const TELLING: [&str; 3] = ["tell", "show", "try"];
    let lower = prompt.to_lowercase();
    let words: Vec<&str> = lower.split(|character: char| !character.is_alphanumeric()).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let opens_with_others = words.first().is_some_and(|word| OTHERS.contains(word));
    has(&NEW_WORDS)
        || opens_with_others
        || (has(&OTHERS) && (has(&MAKING) || has(&TELLING)))
        || (has(&CREATIVE_WORKS) && has(&MAKING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::{Prompt, Role, Turn};

    fn request(prompt: &str) -> RouteRequest {
        RouteRequest::new(Prompt::new(prompt).expect("a prompt"))
    }

    fn check(request: &RouteRequest, expected: Admission) {
        let prompt = request.prompt.as_str();
        assert_eq!(admission(request, Volatility::of(prompt), StorePrompts::Redacted), expected, "{prompt}");
    }

    #[test]
    fn only_repeatable_requests_are_cached() {
        let plain = request("What is the capital of France?");
        check(&plain, Admission::Semantic);
        check(&RouteRequest { temperature: Some(0.3), ..plain.clone() }, Admission::Semantic);
        check(&RouteRequest { temperature: Some(0.7), ..plain.clone() }, Admission::Never);
        check(&RouteRequest { cache: CacheMode::Off, ..plain }, Admission::Never);
        check(&request("Write a poem about rain"), Admission::Never);
        check(&request("Give me another one"), Admission::Never);
        check(&request("How can I switch to another network?"), Admission::Semantic);
        check(&request("Mail jane@example.com about it"), Admission::Never);
        let turn = Turn { role: Role::User, text: "Hi".into() };
        check(&RouteRequest { context: vec![turn.clone()], ..request("and with tea?") }, Admission::Exact);
        let later = |prompt: &str| RouteRequest { context: vec![turn.clone()], ..request(prompt) };
        check(&later("yes please"), Admission::Exact);
        check(&later("How long does a bank transfer to Spain usually take?"), Admission::Semantic);
        check(&request("What is the weather now?"), Admission::Exact);
        check(&request("无语是什么意思?"), Admission::Exact);
    }

    #[test]
    fn what_is_kept_of_prompts_says_how_they_may_be_found_again() {
        let check = |prompt: &str, kept: StorePrompts, expected: Admission| {
            let admitted = admission(&request(prompt), Volatility::of(prompt), kept);
            assert_eq!(admitted, expected, "{prompt} {kept}");
        };
        for (prompt, redacted, full) in [
            ("What is the capital of France?", Admission::Semantic, Admission::Semantic),
            ("Is jane@example.com an address?", Admission::Never, Admission::Semantic),
        ] {
            check(prompt, StorePrompts::Redacted, redacted);
            check(prompt, StorePrompts::Full, full);
        }
        for kept in [StorePrompts::Hash, StorePrompts::Off] {
            check("What is the capital of France?", kept, Admission::Exact);
            check("Is jane@example.com an address?", kept, Admission::Never);
            assert!(!may_store("jane@example.com", FinishReason::Stop, kept));
        }
        assert!(may_store("jane@example.com", FinishReason::Stop, StorePrompts::Full));
    }

    #[test]
    fn only_whole_answers_are_kept() {
        let check = |text: &str, finish_reason, expected: bool| {
            assert_eq!(
                may_store(text, finish_reason, StorePrompts::Redacted),
                expected,
                "{text:?} {finish_reason}"
            );
        };
        check("Paris", FinishReason::Stop, true);
        check("Par", FinishReason::Length, false);
        check("I can't help with that", FinishReason::Refusal, false);
        check("", FinishReason::ContentFilter, false);
        check(" ", FinishReason::Stop, false);
        check("use sk-abcdefghijklmnopqrstuvwx", FinishReason::Stop, false);
    }
}
