//! The project's public signing keys, and whether they signed a token.
//!
//! A project that signs with a shared secret has none, and its tokens are only read here: the secret can mint any
//! user's token and belongs on no user's machine, and the database verifies every request anyway. A clock that is
//! off by an hour must lock nobody out, so whether a token has expired is the database's to say.
//!
//! A server for others is stricter ([`super::verifier`]); it only finds its keys here.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use super::claims::Claims;
use super::{AuthError, Project};

/// How long fetched keys are good; the project's edge keeps them for as long.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// Keys are asked for at most this often, whatever tokens come.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 << 10;
const HINT: &str = "sign in to this project again, or check SUPABASE_URL";

/// The keys of one project, fetched when they are needed.
pub(super) struct Keys {
    client: Client,
    project: Project,
    books: Mutex<Books>,
    /// One fetch at a time, whoever waits for it.
    fetching: tokio::sync::Mutex<()>,
}

/// What is known of the keys.
#[derive(Default)]
struct Books {
    fetched: Option<(Instant, Arc<JwkSet>)>,
    /// When they were last asked for, with whatever result.
    asked: Option<Instant>,
}

/// What came of looking for a key.
pub(super) enum Found {
    Key(Box<Jwk>),
    /// The project has no such key.
    Unknown,
    /// The project did not say.
    Unavailable,
}

impl Books {
    /// Looks for a key without asking; `None` where the project is to be asked.
    fn find(&self, key_id: Option<&str>, now: Instant) -> Option<Found> {
        let age = |at: Instant| now.saturating_duration_since(at);
        let known = self.fetched.as_ref().and_then(|(at, keys)| Some((*at, key_in(keys, key_id)?)));
        let was_asked_just_now = self.asked.is_some_and(|asked| age(asked) < LOOK_AGAIN);
        match known {
            // An old one serves while a new set cannot be had.
            Some((at, key)) if age(at) < GOOD_FOR || was_asked_just_now => Some(Found::Key(Box::new(key))),
            None if was_asked_just_now => {
                let is_answered = self.fetched.as_ref().is_some_and(|(at, _)| age(*at) < LOOK_AGAIN);
                Some(if is_answered { Found::Unknown } else { Found::Unavailable })
            }
            _ => None,
        }
    }
}

fn key_in(keys: &JwkSet, key_id: Option<&str>) -> Option<Jwk> {
    keys.keys.iter().find(|key| key.common.key_id.as_deref() == key_id).cloned()
}

/// Gives the algorithm that a public key is for; `None` where it is none that a project signs with.
pub(super) fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    let (of_key, named) = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    key.common.key_algorithm.is_none_or(|algorithm| algorithm == named).then_some(of_key)
}

impl Keys {
    pub(super) fn new(client: Client, project: Project) -> Self {
        Self { client, project, books: Mutex::default(), fetching: tokio::sync::Mutex::default() }
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
        let key = match self.find(claims.key_id.as_deref()).await {
            Found::Key(key) => key,
            Found::Unknown => return Err(not("no key of the project signed it")),
            Found::Unavailable => return Ok(()),
        };
        let key = DecodingKey::from_jwk(&key).map_err(|_| not("the project's key cannot be used"))?;
        let mut validation = Validation::new(claims.algorithm);
        validation.set_audience(&["authenticated"]);
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::from(["aud".to_owned()]);
        decode::<IgnoredAny>(token.expose_secret(), &key, &validation)
            .map(|_| ())
            .map_err(|_| not("its signature or audience is wrong"))
    }

    /// Finds a key by its name; the set is fetched anew where it is old or lacks the one that is wanted.
    pub(super) async fn find(&self, key_id: Option<&str>) -> Found {
        if let Some(found) = self.known(key_id) {
            return found;
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(found) = self.known(key_id) {
            return found;
        }
        let fetched = self.fetch().await;
        {
            let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            books.asked = Some(now);
            match fetched {
                Ok(keys) => books.fetched = Some((now, Arc::new(keys))),
                Err(problem) => tracing::warn!(problem, "the project's signing keys cannot be had"),
            }
        }
        self.known(key_id).unwrap_or(Found::Unavailable)
    }

    /// Says whether any key is known; the project is asked where none is.
    pub(super) async fn are_known(&self) -> bool {
        let known = || {
            let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            books.fetched.as_ref().is_some_and(|(_, keys)| !keys.keys.is_empty())
        };
        if !known() {
            // No key has this name.
            self.find(Some("")).await;
        }
        known()
    }

    fn known(&self, key_id: Option<&str>) -> Option<Found> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).find(key_id, Instant::now())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jwk(key_id: &str, algorithm: &str) -> serde_json::Value {
        json!({ "kty": "EC", "crv": "P-256", "kid": key_id, "alg": algorithm, "x": "AA", "y": "AA" })
    }

    #[test]
    fn keys_are_asked_for_when_they_are_old_or_lack_one_but_not_often() {
        let start = Instant::now();
        let set: JwkSet = serde_json::from_value(json!({ "keys": [jwk("a", "ES256")] })).unwrap();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let fetched = Some((start, Arc::new(set)));
        let check = |fetched: &Option<(Instant, Arc<JwkSet>)>,
                     asked: Option<u64>,
                     id: &str,
                     now: u64,
                     expected: &str| {
            let books = Books { fetched: fetched.clone(), asked: asked.map(at) };
            let found = match books.find(Some(id), at(now)) {
                Some(Found::Key(key)) => key.common.key_id.unwrap(),
                Some(Found::Unknown) => "unknown".to_owned(),
                Some(Found::Unavailable) => "unavailable".to_owned(),
                None => "ask".to_owned(),
            };
            assert_eq!(found, expected, "{id} at {now}, asked at {asked:?}");
        };
        check(&None, None, "a", 0, "ask");
        check(&None, Some(0), "a", 9, "unavailable");
        check(&None, Some(0), "a", 10, "ask");
        check(&fetched, Some(0), "a", 599, "a");
        check(&fetched, Some(0), "a", 600, "ask");
        check(&fetched, Some(600), "a", 605, "a");
        check(&fetched, Some(0), "b", 9, "unknown");
        check(&fetched, Some(0), "b", 10, "ask");
        check(&fetched, Some(300), "b", 305, "unavailable");
    }

    #[test]
    fn a_key_names_its_own_algorithm() {
        let check = |key: serde_json::Value, expected: Option<Algorithm>| {
            let key: Jwk = serde_json::from_value(key).unwrap();
            assert_eq!(algorithm_of(&key), expected);
        };
        check(jwk("a", "ES256"), Some(Algorithm::ES256));
        check(jwk("a", "HS256"), None);
        check(json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), Some(Algorithm::RS256));
        check(json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }), None);
        check(json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }), None);
    }
}
