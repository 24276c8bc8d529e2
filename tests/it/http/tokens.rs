//! Tokens of users, good and bad.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// What signs tokens for a simulation.
pub(crate) const SECRET: &str = "canary-secret-canary-secret-canary-secret";

/// Users of simulations.
pub(crate) const ALICE: &str = "5a3b6f0e-0000-4000-8000-00000000000a";
pub(crate) const BOB: &str = "5a3b6f0e-0000-4000-8000-00000000000b";

/// Gives the claims of a user's token that lives for an hour.
pub(crate) fn claims(user: &str) -> Value {
    json!({
        "sub": user, "aud": "authenticated", "role": "authenticated", "exp": seconds_from_now(3_600),
        "email": format!("{user}@example.com"), "is_anonymous": false,
    })
}

/// Gives a time as tokens have it.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}

/// Gives claims with another value.
pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// Signs claims with a secret.
pub(crate) fn signed_with(claims: &Value, secret: &str) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Gives a good token of a user of a simulation.
pub(crate) fn token(user: &str) -> String {
    signed_with(&claims(user), SECRET)
}

/// A key pair of the kind that projects sign with, made for these tests.
pub(crate) struct Pair {
    der: Vec<u8>,
    id: &'static str,
}

impl Pair {
    pub(crate) fn first() -> Self {
        Self::of(
            "first",
            "F0rcEb8MwStl093bfNriNsJmVcNRgkmsbvd6v2Q1MLWhRANCAAQygCzg1EpUrsf0iI08/AbfK9f7oldh1e7qOzxXLrDga0JDLrAtEx7IYH6rPuDb/zJsLnpQsVoFfAIFGYSjKh+w",
        )
    }

    pub(crate) fn second() -> Self {
        Self::of(
            "second",
            "3/orEfk8yhDN4j00Rww7vDSQpYPFwxcI8q28e/YKYqehRANCAASKpxFGmwOoevVmNOiVcajiAY0BjBag6LSBz3q2/qbVDXdrfVeqJkIIF6yhiosCYcdBsVEyS7wjIq5iEkW4fvGT",
        )
    }

    fn of(id: &'static str, tail: &str) -> Self {
        let head = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        Self { der: STANDARD.decode(format!("{head}{tail}")).unwrap(), id }
    }

    /// Gives the public half as a project shows it.
    pub(crate) fn public(&self) -> Value {
        let point = &self.der[self.der.len() - 64..];
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": number(&point[..32]), "y": number(&point[32..]),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &EncodingKey::from_ec_der(&self.der)).unwrap()
    }
}
