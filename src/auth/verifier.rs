//! Verifies the tokens that other people's requests carry, on the operator's server.
//!
//! Stricter than what a user's own machine does with its own token: signature, audience, life and user all have to
//! be right before anything is done. The algorithm is the key's, never the token's own choice. While a project changes
//! from a shared secret to key pairs, both kinds are good.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Project;
use super::keys::{Found, Keys, algorithm_of};
use super::session::UserToken;

/// Seconds that clocks may differ; the database forgives as many.
const LEEWAY: u64 = 30;
/// Bytes of the longest token.
const MAX_BYTES: usize = 16_384;

/// What verifies tokens.
pub struct Verifier {
    keys: Option<Keys>,
    secret: Option<DecodingKey>,
}

/// A token that is good, and what it says.
#[derive(Debug, Clone)]
pub struct Verified {
    pub token: UserToken,
    pub email: Option<String>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// Why a token is not taken; nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error("the token is not one of this project's users ({0}); hint: sign in again")]
    Bad(&'static str),
    #[error("the token has expired; hint: sign in again, or refresh it")]
    Expired,
    #[error("the token is an anonymous user's; hint: sign in with an account")]
    Anonymous,
    /// It may be good; nobody can say now.
    #[error("the project's signing keys cannot be had, so no token can be verified; hint: try again")]
    NoKeys,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    role: Option<String>,
    email: Option<String>,
    #[serde(default)]
    is_anonymous: bool,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("has_secret", &self.secret.is_some()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Verifies by the public keys of a project, fetched when they are needed, and by a secret where there is one.
    pub fn of_project(client: Client, project: Project, secret: Option<&SecretString>) -> Self {
        Self { keys: Some(Keys::new(client, project)), secret: secret.map(key_of) }
    }

    /// Verifies by a secret alone.
    pub fn of_secret(secret: &SecretString) -> Self {
        Self { keys: None, secret: Some(key_of(secret)) }
    }

    /// Says whether tokens can be verified now.
    pub async fn is_ready(&self) -> bool {
        match &self.keys {
            Some(keys) => self.secret.is_some() || keys.are_known().await,
            None => true,
        }
    }

    /// Verifies a token.
    pub async fn verify(&self, token: SecretString) -> Result<Verified, TokenRefusal> {
        let text = token.expose_secret();
        if text.len() > MAX_BYTES {
            return Err(TokenRefusal::Bad("it is too long"));
        }
        let header = decode_header(text).map_err(|_| TokenRefusal::Bad("it cannot be read"))?;
        let (key, algorithm) = match (header.alg, &self.secret, &self.keys) {
            (Algorithm::HS256, Some(secret), _) => (secret.clone(), Algorithm::HS256),
            (Algorithm::ES256 | Algorithm::RS256, _, Some(keys)) => {
                public_key(keys, header.kid.as_deref()).await?
            }
            _ => return Err(TokenRefusal::Bad("its algorithm is not the project's")),
        };
        if header.alg != algorithm {
            return Err(TokenRefusal::Bad("its algorithm is not its key's"));
        }
        let claims = decode::<Claims>(text, &key, &rules(algorithm)).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenRefusal::Expired,
            ErrorKind::InvalidSignature => TokenRefusal::Bad("its signature is wrong"),
            ErrorKind::InvalidAudience => TokenRefusal::Bad("its audience is another"),
            ErrorKind::ImmatureSignature => TokenRefusal::Bad("its time has not come"),
            _ => TokenRefusal::Bad("it lacks a claim, or has one of another kind"),
        })?;
        let Claims { sub, exp, role, email, is_anonymous } = claims.claims;
        if is_anonymous {
            return Err(TokenRefusal::Anonymous);
        }
        if role.as_deref() != Some("authenticated") {
            return Err(TokenRefusal::Bad("its role is not `authenticated`"));
        }
        let user = sub.parse().map_err(|_| TokenRefusal::Bad("it names no user"))?;
        let email = email.filter(|email| !email.is_empty());
        Ok(Verified { token: UserToken { user, bearer: token }, email, expires_at: exp })
    }
}

fn key_of(secret: &SecretString) -> DecodingKey {
    DecodingKey::from_secret(secret.expose_secret().as_bytes())
}

async fn public_key(keys: &Keys, key_id: Option<&str>) -> Result<(DecodingKey, Algorithm), TokenRefusal> {
    let key_id = key_id.filter(|id| !id.is_empty()).ok_or(TokenRefusal::Bad("it names no key"))?;
    let key = match keys.find(Some(key_id)).await {
        Found::Key(key) => key,
        Found::Unknown => return Err(TokenRefusal::Bad("no key of the project signed it")),
        Found::Unavailable => return Err(TokenRefusal::NoKeys),
    };
    let unusable = TokenRefusal::Bad("its key is of a kind that no user's token is signed with");
    let algorithm = algorithm_of(&key).ok_or(unusable)?;
    Ok((DecodingKey::from_jwk(&key).map_err(|_| unusable)?, algorithm))
}

fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.set_audience(&["authenticated"]);
    rules.set_required_spec_claims(&["aud", "exp", "sub"]);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a secret of thirty-two bytes or more";
    const USER: &str = "5a3b6f0e-0000-4000-8000-000000000001";

    fn now() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn signed(header: &Header, claims: &Value, secret: &str) -> SecretString {
        encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap().into()
    }

    #[tokio::test]
    async fn a_token_is_taken_only_where_all_of_it_is_right() {
        let verifier = Verifier::of_secret(&SECRET.into());
        let good = json!({
            "sub": USER, "aud": "authenticated", "role": "authenticated", "exp": now() + 60, "email": "a@example.com"
        });
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        let without = |name: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            claims
        };
        let header = Header::new(Algorithm::HS256);
        let bad = |word: &'static str| Some(word);
        for (what, claims, expected) in [
            ("good", good.clone(), None),
            ("audiences", with("aud", json!(["authenticated", "other"])), None),
            ("within the leeway", with("exp", json!(now() - 20)), None),
            ("expired", with("exp", json!(now() - 40)), bad("expired")),
            ("no life", without("exp"), bad("claim")),
            ("another audience", with("aud", json!("anon")), bad("audience")),
            ("no audience", without("aud"), bad("claim")),
            ("another role", with("role", json!("service_role")), bad("role")),
            ("no role", without("role"), bad("role")),
            ("anonymous", with("is_anonymous", json!(true)), bad("anonymous")),
            ("not a user", with("sub", json!("me")), bad("names no user")),
            ("no user", without("sub"), bad("claim")),
            ("not yet", with("nbf", json!(now() + 90)), bad("time")),
        ] {
            let found = verifier.verify(signed(&header, &claims, SECRET)).await;
            match (found, expected) {
                (Ok(verified), None) => {
                    assert_eq!(verified.token.user.to_string(), USER, "{what}");
                    assert_eq!(verified.email.as_deref(), Some("a@example.com"), "{what}");
                }
                (Err(refusal), Some(word)) => {
                    assert!(refusal.to_string().contains(word), "{what}: {refusal}");
                }
                (found, expected) => panic!("{what}: {found:?}, not {expected:?}"),
            }
        }
        let refused = |token: SecretString| async { verifier.verify(token).await.unwrap_err().to_string() };
        assert!(
            refused(signed(&header, &good, "another secret of 32 bytes or more")).await.contains("signature")
        );
        // The secret signs with one algorithm only.
        assert!(refused(signed(&Header::new(Algorithm::HS512), &good, SECRET)).await.contains("algorithm"));
        for garbage in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &"a".repeat(20_000)] {
            verifier.verify(garbage.into()).await.unwrap_err();
        }
    }
}
