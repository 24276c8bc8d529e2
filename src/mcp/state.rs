//! The state of a call in several steps, which a client keeps for us and could change: sealed, bound to the tool and its
//! arguments, and of short life.

use std::time::Duration;

use rmcp::model::{JsonObject, RequestStateCodec, RequestStateError, SealOptions};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::ids::UserId;

/// How long the user may think.
const LIFE: Duration = Duration::from_secs(600);

/// Seals and opens what a client is to bring back.
pub(super) struct Seal {
    codec: RequestStateCodec,
    /// What the seals of single users are made from.
    key: [u8; 32],
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// Takes a key of 32 bytes or more, so that several processes know each other's questions.
    pub(super) fn new(key: &[u8]) -> Result<Self, RequestStateError> {
        Ok(Self { codec: RequestStateCodec::try_new(key)?, key: Sha256::digest(key).into() })
    }

    /// Gives a user a seal that no other user's holds.
    pub(super) fn of_user(&self, user: UserId) -> Result<Self, RequestStateError> {
        Self::new(&Sha256::new().chain_update(self.key).chain_update(user.to_string()).finalize())
    }

    /// Takes a key that nobody else knows.
    pub(super) fn of_this_process() -> Result<Self, RequestStateError> {
        Self::new(&[Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat())
    }

    /// Seals the place that a call of a tool has come to.
    pub(super) fn seal(&self, tool: &str, arguments: &JsonObject, step: &str) -> String {
        let context = context(tool, arguments);
        self.codec.seal_with(step.as_bytes(), &SealOptions::new().associated_data(&context).ttl(LIFE))
    }

    /// Says whether a client brings back what was sealed for this tool, these arguments and this step.
    pub(super) fn holds(&self, tool: &str, arguments: &JsonObject, step: &str, sealed: &str) -> bool {
        let opened = self.codec.open_with(sealed, &context(tool, arguments));
        opened.is_ok_and(|opened| opened == step.as_bytes())
    }
}

/// What the seal is bound to; arguments are in the order of their names.
fn context(tool: &str, arguments: &JsonObject) -> Vec<u8> {
    let text = serde_json::to_vec(arguments).unwrap_or_default();
    Sha256::new().chain_update(tool).chain_update([0]).chain_update(text).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: &serde_json::Value) -> JsonObject {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_was_sealed_is_opened_for_the_same_call_alone() {
        let key = [7; 32];
        let (seal, other) = (Seal::new(&key).unwrap(), Seal::of_this_process().unwrap());
        let asked = arguments(&json!({ "name": "a", "max_spend_usd": 9 }));
        let sealed = seal.seal("start_experiment", &asked, "confirm");
        let holds = |seal: &Seal, tool: &str, arguments: &JsonObject, step: &str, sealed: &str| {
            seal.holds(tool, arguments, step, sealed)
        };
        assert!(holds(&Seal::new(&key).unwrap(), "start_experiment", &asked, "confirm", &sealed));
        let of = |user: &str| seal.of_user(user.parse().unwrap()).unwrap();
        let (alice, bob) =
            (of("5a3b6f0e-0000-4000-8000-000000000001"), of("5a3b6f0e-0000-4000-8000-000000000002"));
        let alices = alice.seal("start_experiment", &asked, "confirm");
        assert!(holds(&alice, "start_experiment", &asked, "confirm", &alices));
        assert!(!holds(&bob, "start_experiment", &asked, "confirm", &alices));
        assert!(!holds(&seal, "start_experiment", &asked, "confirm", &alices));
        let more = arguments(&json!({ "name": "a", "max_spend_usd": 9_000 }));
        assert!(!holds(&seal, "start_experiment", &more, "confirm", &sealed));
        assert!(!holds(&seal, "set_budget", &asked, "confirm", &sealed));
        assert!(!holds(&seal, "start_experiment", &asked, "spend", &sealed));
        assert!(!holds(&other, "start_experiment", &asked, "confirm", &sealed));
        let mut tampered = sealed.into_bytes();
        let last = tampered.len() - 1;
        tampered[last] ^= 1;
        for odd in
            [String::from_utf8(tampered).unwrap(), String::new(), "rs1..".to_owned(), "x".repeat(9_999)]
        {
            assert!(!holds(&seal, "start_experiment", &asked, "confirm", &odd));
        }
        assert!(Seal::new(b"short").is_err());
    }
}
