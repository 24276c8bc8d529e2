//! Prompts and answers: what is read off a text that anybody may have written.

use std::time::Duration;

use ai_cost_optimizer::cache::compare::{Prepared, compare, normalised, veto};
use ai_cost_optimizer::cache::freshness::Volatility;
use ai_cost_optimizer::cache::privacy::{is_private, redacted};
use ai_cost_optimizer::domain::prompt::{Prompt, RouteRequest};
use ai_cost_optimizer::routing::checks::{fault, marks};
use ai_cost_optimizer::routing::complexity::complexity_of;
use ai_cost_optimizer::routing::features::Features;

/// Two texts with a NUL between them: two prompts, or a prompt and its answer.
pub(super) fn prompt(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    let (left, right) = text.split_once('\0').unwrap_or((text, text));
    for text in [left, right] {
        let kept = redacted(text);
        assert!(!is_private(&kept), "something private is left: {kept:?}");
        assert!(is_private(text) || kept == text, "nothing private was taken out: {kept:?}");
        if let Some(form) = normalised(text) {
            assert!(!form.trim().is_empty(), "{form:?}");
        }
        assert!(Volatility::of(text).ttl(Duration::from_secs(60)) <= Duration::from_secs(60));
        if let Ok(prompt) = Prompt::new(text.to_owned()) {
            let complexity = complexity_of(&Features::of(text), &RouteRequest::new(prompt));
            assert!((0.0..=1.0).contains(&complexity.score), "{complexity:?}");
        }
    }
    let (one, other) = (Prepared::new(left), Prepared::new(right));
    let comparison = compare(&one, &other, 0.9);
    assert_eq!(comparison, compare(&other, &one, 0.9), "which came first does not matter");
    assert_eq!(veto(&one, &other), veto(&other, &one));
    assert!((0.0..=1.0).contains(&comparison.score), "{comparison:?}");
    assert!(comparison.verified.is_finite(), "{comparison:?}");
    assert!(marks(left, right).iter().all(|mark| mark.is_finite()), "{:?}", marks(left, right));
    let _ = fault(left, right);
}
