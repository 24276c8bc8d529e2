//! The scope: everything that must be equal before a stored answer may be considered at all.

use sha2::{Digest, Sha256};

use super::compare::normalised;
use super::freshness::Volatility;
use crate::domain::prompt::{RouteRequest, Turn};
use crate::domain::record::ScopeHash;

/// Counts up when the meaning of a field changes, so that old entries are never misread.
const VERSION: &str = "scope-1";

/// Gives the scope of a request: SHA-256 over fields that cannot run into each other.
///
/// Requested quality, pinned model, system prompt, whether a low temperature was asked for, the class of
/// the output limit (the next power of two), whether there are earlier turns, the day for prompts that are about
/// the present, and the arms of experiments, which share nothing. What the earlier turns say is in [`prompt_sha256`], and compared where a prompt is similar.
pub fn scope_of(request: &RouteRequest, period: Option<&str>, arms: &[String]) -> ScopeHash {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    field(VERSION);
    field(request.quality.into());
    optional(&mut field, request.pinned_model.as_deref());
    optional(&mut field, request.system.as_deref());
    field(if request.temperature.is_some() { "low temperature" } else { "any temperature" });
    field(&request.max_output_tokens.checked_next_power_of_two().unwrap_or(u32::MAX).to_string());
    optional(&mut field, period);
    field(if request.context.is_empty() { "0" } else { "turns" });
    arms.iter().for_each(|arm| field(arm));
    ScopeHash(hash.finalize().into())
}

/// Keeps an absent text apart from an empty one.
fn optional(field: &mut impl FnMut(&str), text: Option<&str>) {
    field(if text.is_some() { "some" } else { "none" });
    field(text.unwrap_or_default());
}

/// Gives the period that a prompt's answer belongs to: it is part of the scope.
pub fn period(volatility: Volatility, now: jiff::Timestamp) -> Option<String> {
    match volatility {
        Volatility::Stable | Volatility::Live => None,
        Volatility::Dated => Some(now.strftime("%Y-%m-%d").to_string()),
    }
}

/// Gives SHA-256 of the prompt's bytes as they are; with earlier turns, of all that was said and by whom.
pub fn prompt_sha256(request: &RouteRequest) -> [u8; 32] {
    said_sha256(&request.context, request.prompt.as_str(), |text| Some(text.to_owned())).unwrap_or_default()
}

/// Gives the same without what means nothing in prose, see [`normalised`]; `None` where a text is not prose.
pub fn normal_sha256(request: &RouteRequest) -> Option<[u8; 32]> {
    said_sha256(&request.context, request.prompt.as_str(), normalised)
}

fn said_sha256(turns: &[Turn], prompt: &str, form: impl Fn(&str) -> Option<String>) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    for turn in turns {
        let text = form(&turn.text)?;
        hash.update(turn.role.as_str().as_bytes());
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(form(prompt)?.as_bytes());
    Some(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::Quality;
    use crate::domain::prompt::{Prompt, Role, Turn};
    use std::collections::{HashMap, HashSet};

    fn request() -> RouteRequest {
        RouteRequest::new(Prompt::new("x").expect("a prompt"))
    }

    fn turn(role: Role, text: &str) -> Turn {
        Turn { role, text: text.to_owned() }
    }

    /// What is equal before an entry may be found by its prompt.
    fn key(request: &RouteRequest) -> (ScopeHash, [u8; 32]) {
        (scope_of(request, None, &[]), prompt_sha256(request))
    }

    #[test]
    fn every_field_that_changes_an_answer_changes_the_key() {
        let turns = |turns: &[Turn]| RouteRequest { context: turns.to_vec(), ..request() };
        let requests = [
            request(),
            RouteRequest { quality: Quality::Best, ..request() },
            RouteRequest { pinned_model: Some("m".into()), ..request() },
            RouteRequest { pinned_model: Some(String::new()), ..request() },
            RouteRequest { system: Some("m".into()), ..request() },
            RouteRequest { system: Some(String::new()), ..request() },
            RouteRequest { temperature: Some(0.0), ..request() },
            RouteRequest { max_output_tokens: 4096, ..request() },
            turns(&[turn(Role::User, "a"), turn(Role::User, "b")]),
            turns(&[turn(Role::User, "ab")]),
            turns(&[turn(Role::Assistant, "ab")]),
            turns(&[turn(Role::User, "a"), turn(Role::Assistant, "b")]),
            RouteRequest::new(Prompt::new("y").expect("a prompt")),
        ];
        let keys: HashSet<_> = requests.iter().map(key).collect();
        assert_eq!(keys.len(), requests.len());
        assert_ne!(scope_of(&request(), None, &[]), scope_of(&request(), Some("2026-11-23"), &[]));
        let arm = |name: &str| scope_of(&request(), None, &[name.to_owned()]);
        assert!(arm("a") != arm("b") && arm("a") != scope_of(&request(), None, &[]));
        let normal: HashSet<_> =
            requests.iter().map(|request| (key(request).0, normal_sha256(request))).collect();
        assert_eq!(normal.len(), requests.len());
    }

    /// Many requests that differ little: equal keys are equal requests, in all that an answer depends on.
    #[test]
    fn a_hundred_thousand_requests_share_no_key_by_chance() {
        let mut draw = fastrand::Rng::with_seed(11);
        let mut seen: HashMap<(ScopeHash, [u8; 32]), String> = HashMap::new();
        for _ in 0..100_000 {
            let mut text = || ["", "a", "b", "ab", "some", "none", "user"][draw.usize(..7)].to_owned();
            let (system, model, turns) = (text(), text(), [text(), text()]);
            let context: Vec<Turn> = turns[..draw.usize(..3)]
                .iter()
                .map(|text| turn(if draw.bool() { Role::User } else { Role::Assistant }, text))
                .collect();
            let request = RouteRequest {
                quality: [Quality::Economy, Quality::Balanced, Quality::Best][draw.usize(..3)],
                system: draw.bool().then_some(system),
                pinned_model: draw.bool().then_some(model),
                temperature: draw.bool().then_some(0.2),
                max_output_tokens: 1 << draw.u32(8..13),
                context,
                ..request()
            };
            let period = draw.bool().then_some("2026-11-25");
            let fields = format!(
                "{:?}",
                (
                    request.quality,
                    &request.system,
                    &request.pinned_model,
                    request.temperature,
                    request.max_output_tokens,
                    request.context.iter().map(|turn| (turn.role.as_str(), &turn.text)).collect::<Vec<_>>(),
                    period,
                )
            );
            let key = (scope_of(&request, period, &[]), prompt_sha256(&request));
            let before = seen.entry(key).or_insert_with(|| fields.clone());
            assert_eq!(*before, fields);
        }
        assert!(seen.len() > 50_000, "{}", seen.len());
    }

    #[test]
    fn what_does_not_change_an_answer_does_not_change_the_scope() {
        let other = RouteRequest {
            tags: vec!["a".into()],
            session: Some("s".into()),
            max_output_tokens: 1_000,
            ..request()
        };
        assert_eq!(scope_of(&request(), None, &[]), scope_of(&other, None, &[]));
    }
}
