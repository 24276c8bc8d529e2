//! Which requests the cache may answer, and which answers it may keep.

use super::compare::{Prepared, compare};
use super::freshness::Volatility;
use super::privacy::is_private;
use crate::domain::answer::FinishReason;
use crate::domain::prompt::{CacheMode, RouteRequest, is_mostly_latin};
use crate::domain::record::Neighbour;

/// Warmer requests want a new answer each time.
const MAX_TEMPERATURE: f64 = 0.3;
/// Texts with more unknown word pieces embed into the same few points.
const MAX_UNKNOWN_SHARE: f64 = 0.1;
/// The cosine that serves an entry, where the user sets none.
pub const DEFAULT_SIMILARITY_THRESHOLD: f32 = 0.95;
/// Neighbours looked at for one prompt.
pub const NEIGHBOURS: usize = 5;

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
pub fn admission(request: &RouteRequest, volatility: Volatility) -> Admission {
    let prompt = request.prompt.as_str();
    let is_repeatable = request.cache != CacheMode::Off
        && request.temperature.is_none_or(|temperature| temperature <= MAX_TEMPERATURE)
        && !wants_something_new(prompt);
    let is_kept_out = || {
        is_private(prompt)
            || request.system.as_deref().is_some_and(is_private)
            || request.context.iter().any(|turn| is_private(&turn.text))
    };
    if !is_repeatable || is_kept_out() {
        Admission::Never
    } else if volatility == Volatility::Live || !request.context.is_empty() || !is_mostly_latin(prompt) {
        Admission::Exact
    } else {
        Admission::Semantic
    }
}

/// Says whether an embedding stands for the whole prompt, so that its neighbours mean something.
pub fn is_comparable(is_truncated: bool, unknown_share: f64) -> bool {
    !is_truncated && unknown_share <= MAX_UNKNOWN_SHARE
}

/// A neighbour to serve, and how probably it answers the prompt.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    pub neighbour: &'a Neighbour,
    /// In [0, 1].
    pub score: f64,
}

/// Chooses the neighbour to serve: of those that are near enough, and whose prompt differs in nothing that an answer
/// would not survive, the one that most probably answers the prompt. One whose prompt is not known is none.
pub fn choose<'a>(prompt: &str, neighbours: &'a [Neighbour], threshold: f32) -> Option<Chosen<'a>> {
    let near = neighbours.iter().filter(|neighbour| neighbour.similarity >= threshold);
    let prepared = Prepared::new(prompt);
    let compared = near.filter_map(|neighbour| {
        let cached = Prepared::new(neighbour.entry.prompt_text.as_deref()?);
        let comparison = compare(&prepared, &cached, neighbour.similarity);
        comparison.veto.is_none().then_some(Chosen { neighbour, score: comparison.score })
    });
    compared.max_by(|left, right| left.score.total_cmp(&right.score))
}

/// Says whether an answer may be kept: whole, not empty, and without anything private.
pub fn may_store(text: &str, finish_reason: FinishReason) -> bool {
    finish_reason == FinishReason::Stop && !text.trim().is_empty() && !is_private(text)
}

/// Says whether a prompt asks for something made up, which nobody wants to get twice.
fn wants_something_new(prompt: &str) -> bool {
    const NEW_WORDS: [&str; 11] = [
        "another",
        "random",
        "randomly",
        "brainstorm",
        "again",
        "regenerate",
        "surprise",
        "different",
        "joke",
        "shuffle",
        "creative",
    ];
    const CREATIVE_WORKS: [&str; 11] = [
        "poem", "haiku", "limerick", "story", "song", "lyrics", "sonnet", "riddle", "slogan", "names",
        "tagline",
    ];
    const MAKING: [&str; 8] = ["write", "compose", "create", "invent", "generate", "make", "suggest", "give"];
    let lower = prompt.to_lowercase();
    let words: Vec<&str> = lower.split(|character: char| !character.is_alphanumeric()).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    has(&NEW_WORDS) || (has(&MAKING) && has(&CREATIVE_WORKS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EntryId, RequestId};
    use crate::domain::model::{ModelRef, ProviderId};
    use crate::domain::prompt::{Prompt, Role, Turn};
    use crate::domain::record::{CacheEntry, ScopeHash};
    use crate::domain::usage::Usage;
    use jiff::Timestamp;

    fn request(prompt: &str) -> RouteRequest {
        RouteRequest::new(Prompt::new(prompt).expect("a prompt"))
    }

    fn check(request: &RouteRequest, expected: Admission) {
        let prompt = request.prompt.as_str();
        assert_eq!(admission(request, Volatility::of(prompt)), expected, "{prompt}");
    }

    #[test]
    fn only_repeatable_requests_are_cached() {
        let plain = request("What is the capital of France?");
        check(&plain, Admission::Semantic);
        check(&RouteRequest { temperature: Some(0.3), ..plain.clone() }, Admission::Semantic);
        check(&RouteRequest { temperature: Some(0.7), ..plain.clone() }, Admission::Never);
        check(&RouteRequest { cache: CacheMode::Off, ..plain.clone() }, Admission::Never);
        check(&request("Write a poem about rain"), Admission::Never);
        check(&request("Give me another one"), Admission::Never);
        check(&request("Mail jane@example.com about it"), Admission::Never);
        let turn = Turn { role: Role::User, text: "Hi".into() };
        check(&RouteRequest { context: vec![turn], ..plain }, Admission::Exact);
        check(&request("What is the weather now?"), Admission::Exact);
        check(&request("无语是什么意思?"), Admission::Exact);
    }

    fn neighbour(prompt_text: Option<&str>, similarity: f32) -> Neighbour {
        let entry = CacheEntry {
            id: EntryId::new(),
            scope: ScopeHash([0; 32]),
            prompt_sha256: [0; 32],
            normal_sha256: None,
            prompt_text: prompt_text.map(str::to_owned),
            embedding: None,
            text: "an answer".into(),
            reference: ModelRef { provider: ProviderId::Anthropic, model: "m".into() },
            usage: Usage::default(),
            cost: None,
            finish_reason: FinishReason::Stop,
            request_id: RequestId::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        Neighbour { similarity, entry }
    }

    #[test]
    fn of_the_near_neighbours_one_is_served_whose_words_say_the_same() {
        let prompt = "How do I turn notifications on in version 3?";
        let check = |neighbours: &[(Option<&str>, f32)], expected: Option<&str>| {
            let neighbours: Vec<Neighbour> =
                neighbours.iter().map(|(text, similarity)| neighbour(*text, *similarity)).collect();
            let chosen = choose(prompt, &neighbours, 0.95);
            assert!(chosen.is_none_or(|chosen| (0.0..=1.0).contains(&chosen.score)));
            let text = chosen.and_then(|chosen| chosen.neighbour.entry.prompt_text.as_deref());
            assert_eq!(text, expected, "{neighbours:?}");
        };
        let same = "How can I turn notifications on in version 3?";
        check(&[(Some(same), 0.97)], Some(same));
        check(&[(Some(same), 0.94)], None);
        check(&[(None, 0.99)], None);
        // Opposites and other numbers are nearer than what means the same.
        check(&[(Some("How do I turn notifications off in version 3?"), 0.99)], None);
        check(
            &[(Some("How do I turn notifications on in version 4?"), 0.99), (Some(same), 0.96)],
            Some(same),
        );
    }

    #[test]
    fn only_whole_answers_are_kept() {
        let check = |text: &str, finish_reason, expected: bool| {
            assert_eq!(may_store(text, finish_reason), expected, "{text:?} {finish_reason}");
        };
        check("Paris", FinishReason::Stop, true);
        check("Par", FinishReason::Length, false);
        check("I can't help with that", FinishReason::Refusal, false);
        check("", FinishReason::ContentFilter, false);
        check(" ", FinishReason::Stop, false);
        check("use sk-abcdefghijklmnopqrstuvwx", FinishReason::Stop, false);
    }
}
