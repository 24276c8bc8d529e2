//! Which model a session talks to, and how much of the talk that model's provider keeps at hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cost::estimate::Warm;
use crate::domain::model::ModelRef;
use crate::domain::usage::Usage;

/// How long providers keep prompts at hand, at the least.
const KEPT: Duration = Duration::from_secs(300);
/// Sessions that are known; more and all are forgotten.
const MOST: usize = 10_000;

/// What this process knows of sessions; another process prices them as if they were new.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<String, (Instant, Warm)>>>);

impl Sessions {
    /// Notes what a provider said of its prompt cache.
    pub(super) fn note(&self, session: Option<&str>, reference: Option<&ModelRef>, usage: &Usage) {
        let (Some(session), Some(reference)) = (session, reference) else { return };
        let tokens = usage.cached_input_tokens + usage.cache_write_tokens;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let warm = Warm { reference: reference.clone(), tokens };
        known.insert(session.to_owned(), (Instant::now(), warm));
    }

    /// Finds what is at hand for a session's next prompt.
    pub(super) fn warm(&self, session: Option<&str>) -> Option<Warm> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (noted, warm) = known.get(session?)?;
        (warm.tokens > 0 && noted.elapsed() < KEPT).then(|| warm.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;

    #[test]
    fn what_a_provider_says_it_keeps_is_at_hand_for_that_session() {
        let sessions = Sessions::default();
        let reference = ModelRef { provider: ProviderId::Gemini, model: "m".to_owned() };
        let note = |session, cached_input_tokens, cache_write_tokens| {
            let usage = Usage { cached_input_tokens, cache_write_tokens, ..Usage::default() };
            sessions.note(session, Some(&reference), &usage);
        };
        note(Some("a"), 300, 50);
        note(Some("b"), 0, 0);
        note(None, 9, 9);
        assert_eq!(sessions.warm(Some("a")), Some(Warm { reference: reference.clone(), tokens: 350 }));
        assert_eq!(
            (sessions.warm(Some("b")), sessions.warm(Some("c")), sessions.warm(None)),
            (None, None, None)
        );
        note(Some("a"), 0, 0);
        assert_eq!(sessions.warm(Some("a")), None, "the last answer counts");
    }
}
