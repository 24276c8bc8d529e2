//! The project's public signing keys, and whether they signed a token.
//!
//! A project that signs with a shared secret has none, and its tokens are only read here: the secret can mint any
//! user's token and belongs on no user's machine, and the database verifies every request anyway. A clock that is
//! off by an hour must lock nobody out, so whether a token has expired is the database's to say.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use super::claims::Claims;
use super::{AuthError, Project};

/// How long fetched keys are good; the project's edge keeps them for as long.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// A key that is not among them is looked for again at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 << 10;
const HINT: &str = "sign in to this project again, or check SUPABASE_URL";

/// The keys of one project, fetched when they are needed.
pub(super) struct Keys {
    client: Client,
    project: Project,
    fetched: Mutex<Option<(Instant, JwkSet)>>,
}

impl Keys {
    pub(super) fn new(client: Client, project: Project) -> Self {
        Self { client, project, fetched: Mutex::default() }
    }

    /// Verifies a token where the project has public keys; where they cannot be had, the database is left to do it.
    pub(super) async fn verify(
        &self,
        what: &'static str,
        token: &SecretString,
        claims: &Claims,
    ) -> Result<(), AuthError> {
        let not = |problem: &str| AuthError::NotAToken { what, problem: problem.to_owned(), hint: HINT };
        if !matches!(claims.algorithm, Algorithm::ES256 | Algorithm::RS256) {
            // Signed by a shared secret, which is not here to check it with.
            return Ok(());
        }
        let Some(keys) = self.holding(claims.key_id.as_deref()).await else { return Ok(()) };
        let named = |key: &&jsonwebtoken::jwk::Jwk| key.common.key_id == claims.key_id;
        let Some(key) = keys.keys.iter().find(named) else {
            return Err(not("no key of the project signed it"));
        };
        let key = DecodingKey::from_jwk(key).map_err(|_| not("the project's key cannot be used"))?;
        let mut validation = Validation::new(claims.algorithm);
        validation.set_audience(&["authenticated"]);
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::from(["aud".to_owned()]);
        decode::<IgnoredAny>(token.expose_secret(), &key, &validation)
            .map(|_| ())
            .map_err(|_| not("its signature or audience is wrong"))
    }

    /// Gives the keys, fetched anew where they are old or lack the one that is wanted.
    async fn holding(&self, key_id: Option<&str>) -> Option<JwkSet> {
        let known = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, keys)) = known {
            let holds = keys.keys.iter().any(|key| key.common.key_id.as_deref() == key_id);
            if at.elapsed() < if holds { GOOD_FOR } else { LOOK_AGAIN } {
                return Some(keys);
            }
        }
        match self.fetch().await {
            Ok(keys) => {
                let fetched = Some((Instant::now(), keys.clone()));
                *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = fetched;
                Some(keys)
            }
            Err(problem) => {
                tracing::warn!(
                    problem,
                    "the project's signing keys cannot be had; the database verifies tokens"
                );
                None
            }
        }
    }

    async fn fetch(&self) -> Result<JwkSet, &'static str> {
        let url = self.project.endpoint(&["auth", "v1", ".well-known", "jwks.json"]);
        let request = self.client.get(url).header("apikey", self.project.key_header()).timeout(TIMEOUT);
        let response = request.send().await.map_err(|_| "not reachable")?;
        if !response.status().is_success() {
            return Err("refused");
        }
        let body = response.bytes().await.map_err(|_| "broken off")?;
        if body.len() > MAX_BYTES {
            return Err("too long");
        }
        serde_json::from_slice(&body).map_err(|_| "not keys")
    }
}
