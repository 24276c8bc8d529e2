//! What only the providers can tell: that they are there, that they take the key, and what time it is.

use jiff::SignedDuration;

use super::{Check, State};
use crate::app::{App, Contacted};
use crate::config::Mode;
use crate::domain::model::ProviderId;
use crate::providers::ProviderError;

/// Skew from which requests and records stand at wrong times.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Words what the providers answered, and how far this machine's clock is from theirs.
pub(super) fn providers(app: &App, contacts: &[(ProviderId, Contacted)]) -> Vec<Check> {
    if app.config.mode == Mode::Simulate {
        return vec![Check::new("online", State::Ok, "a simulation asks nobody")];
    }
    let skews = contacts.iter().filter_map(|(_, contact)| contact.as_ref().ok()?.skew);
    let skew = skews.min_by_key(|skew| skew.unsigned_abs());
    let mut checks: Vec<Check> =
        contacts.iter().map(|(provider, contact)| provider_check(*provider, contact)).collect();
    checks.extend(skew.map(clock));
    checks
}

fn provider_check(provider: ProviderId, contact: &Contacted) -> Check {
    let (state, sentence) = match contact {
        Ok(contact) => (State::Ok, format!("it answers, in {} ms", contact.took.as_millis())),
        // It is there and will take the key again.
        Err(error @ ProviderError::Overloaded { .. }) => (State::Warning, error.to_string()),
        Err(error) => (State::Failed, error.to_string()),
    };
    Check::new(format!("online {provider}"), state, &sentence)
}

/// Judges the clock by the provider whose clock is nearest: one that is wrong by itself accuses nobody.
fn clock(skew: SignedDuration) -> Check {
    let seconds = skew.as_secs();
    if skew.unsigned_abs() > MAX_SKEW.unsigned_abs() {
        let sentence = format!("{seconds:+} s against the providers' clocks; hint: set the clock");
        Check::new("online clock", State::Warning, &sentence)
    } else {
        Check::new("online clock", State::Ok, &format!("{seconds:+} s against the providers' clocks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::providers::check::Contact;

    fn check(contact: &Contacted, state: State, words: &[&str]) {
        let found = provider_check(ProviderId::Anthropic, contact);
        assert_eq!(found.state, state, "{found:?}");
        let text = format!("{found:?}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_provider_is_there_busy_or_missing() {
        let there = Contact { took: Duration::from_millis(120), skew: None };
        check(&Ok(there), State::Ok, &["online anthropic", "120 ms"]);
        let busy = ProviderError::Overloaded { code: "http_429".into(), retry_after: None };
        check(&Err(busy), State::Warning, &["http_429"]);
        let refused = ProviderError::Unauthorized { code: "http_401".into(), variable: "ANTHROPIC_API_KEY" };
        check(&Err(refused), State::Failed, &["ANTHROPIC_API_KEY"]);
        check(&Err(ProviderError::Unreachable("dns failure".into())), State::Failed, &["dns failure"]);
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let state = |seconds: i64| clock(SignedDuration::from_secs(seconds)).state;
        assert_eq!((state(60), state(-60)), (State::Ok, State::Ok));
        assert_eq!((state(61), state(-3_600)), (State::Warning, State::Warning));
    }
}
