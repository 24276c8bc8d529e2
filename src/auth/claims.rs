//! What a user's token says of itself, before anybody has verified it.

use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::{Algorithm, TokenData};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::AuthError;
use crate::domain::ids::UserId;

const HINT: &str = "take the access_token of a user's session, not a key of the project";

/// The parts of a token that decide something here.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) user: UserId,
    pub(super) algorithm: Algorithm,
    /// Names the key that signed it.
    pub(super) key_id: Option<String>,
}

/// The claims that a user's token of Supabase has.
#[derive(Debug, Deserialize)]
pub(super) struct UserClaims {
    sub: String,
    role: Option<String>,
}

/// Reads a token. `alg: none`, and the token of another role than a user's, are refused here already.
pub(super) fn read(what: &'static str, token: &SecretString) -> Result<Claims, AuthError> {
    let not = |problem: &str| AuthError::NotAToken { what, problem: problem.to_owned(), hint: HINT };
    let text = token.expose_secret();
    if text.len() > 16_384 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(not("it is longer than a token, or holds other characters"));
    }
    // An algorithm that the library does not know, such as `none`, fails here.
    let TokenData { header, claims } =
        insecure_decode::<UserClaims>(text).map_err(|_| not("it cannot be read"))?;
    if claims.role.as_deref() != Some("authenticated") {
        return Err(not("its role is not `authenticated`"));
    }
    let user = claims.sub.parse().map_err(|_| not("it names no user"))?;
    Ok(Claims { user, algorithm: header.alg, key_id: header.kid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_users_token_is_read() {
        let check = |token: &str, expected: Result<&str, &str>| {
            let found = read("a token", &SecretString::from(token));
            match (found, expected) {
                (Ok(claims), Ok(user)) => assert_eq!(claims.user.to_string(), user),
                (Err(error), Err(problem)) => {
                    let words = error.to_string();
                    assert!(words.contains(problem) && !words.contains("eyJ"), "{words}");
                }
                (found, expected) => panic!("{token}: {found:?}, not {expected:?}"),
            }
        };
        let encode = |text: &str| base64(text.as_bytes());
        let token = |header: &str, claims: &str| format!("{}.{}.c2ln", encode(header), encode(claims));
        let signed = r#"{"alg":"ES256","kid":"k1"}"#;
        let user = "5a3b6f0e-0000-4000-8000-000000000001";
        let claims = |role: &str| format!(r#"{{"sub":"{user}","role":"{role}","aud":"authenticated"}}"#);
        check(&token(signed, &claims("authenticated")), Ok(user));
        check(&token(r#"{"alg":"HS256"}"#, &claims("authenticated")), Ok(user));
        check(&token(r#"{"alg":"none"}"#, &claims("authenticated")), Err("cannot be read"));
        check(&token(signed, &claims("service_role")), Err("role"));
        check(&token(signed, r#"{"sub":"me","role":"authenticated"}"#), Err("names no user"));
        check(&token(signed, "[]"), Err("cannot be read"));
        check("garbage", Err("cannot be read"));
        check("a b.c.d", Err("other characters"));
        check(&"a".repeat(20_000), Err("longer than a token"));
    }

    /// Encodes as tokens do: the URL-safe alphabet, without padding.
    fn base64(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let number = chunk.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for place in 0..=chunk.len() {
                text.push(ALPHABET[(number >> (18 - 6 * place)) as usize & 63] as char);
            }
        }
        text
    }
}
