//! Who somebody is: tokens, the keys that sign them, the sign-in server's answers, keys and addresses of a project.
//!
//! The first byte says what: `t` is a token, a line's end, and the project's signing keys; `g400` a refusal of the
//! sign-in server; `k` a project's key.

use ai_cost_optimizer::auth::{Auth, AuthError, BadProject, Project};
use ai_cost_optimizer::domain::ids::UserId;
use ai_cost_optimizer::store::supabase::migrations::DatabaseUrl;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::wire::{Answer, Wire};

/// What the one good token says, signed by the key below; whoever can say something else has forged it.
const SIGNED: &str = include_str!("signed_token.txt");
const KEYS: &str = include_str!("signing_keys.json");
const MOST_ERROR_BYTES: usize = 300;

pub(super) fn token(bytes: &[u8]) {
    match bytes.split_first() {
        Some((b't', rest)) => {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (token, keys) = rest.split_at(end);
            let Some(token) = super::text(token) else { return };
            verify(token, keys);
            verify(token, KEYS.as_bytes());
        }
        Some((b'g', rest)) => refuse(rest),
        Some((b'k', rest)) => {
            if let Some(key) = super::text(rest) {
                project_key(key);
            }
        }
        _ => {}
    }
}

fn project(key: &str) -> Result<Project, BadProject> {
    Project::new("http://project.test".parse().expect("it is a URL"), SecretString::from(key))
}

fn auth(wire: &Wire, given: Option<&str>) -> Auth {
    let project = project("sb_publishable_x").expect("it is a project");
    let folder = wire.folder.path().join("session");
    Auth::new(wire.client.clone(), &project, given.map(SecretString::from), folder)
}

/// A token is a user's, as its own words have it, and signed by the project where that has public keys.
fn verify(token: &str, keys: &[u8]) {
    Wire::with(|wire| {
        wire.answer(&Answer::json(keys));
        let auth = auth(wire, Some(token));
        let (user, verified) = wire.runtime.block_on(async { (auth.user().await, auth.token().await) });
        for error in [user.as_ref().err(), verified.as_ref().err()].into_iter().flatten() {
            check_error(error, token);
        }
        let Ok(verified) = verified else { return };
        assert_eq!(verified.bearer.expose_secret(), token);
        assert!(user.is_ok_and(|user| user == verified.user));
        // What the program has no use for may be no text.
        let part = |place: usize| -> Option<Value> {
            let part = token.split('.').nth(place).expect("a token has parts");
            let json = BASE64_URL_SAFE_NO_PAD.decode(part).expect("its parts are base64");
            serde_json::from_str(&String::from_utf8_lossy(&json)).ok()
        };
        let (Some(header), Some(claims)) = (part(0), part(1)) else { return };
        assert_eq!(claims["role"], "authenticated", "{claims}");
        let named = claims["sub"].as_str().and_then(|sub| sub.parse::<UserId>().ok());
        assert_eq!(named, Some(verified.user), "{claims}");
        let is_signed = matches!(header["alg"].as_str(), Some("ES256" | "RS256"));
        if is_signed && keys == KEYS.as_bytes() {
            let words = |token: &str| token.rsplit_once('.').map(|(words, _)| words.to_owned());
            assert_eq!(words(token), words(SIGNED.trim()), "a token that the project did not sign");
        }
    });
}

fn check_error(error: &AuthError, secret: &str) {
    let words = error.to_string();
    assert!(words.len() <= MOST_ERROR_BYTES, "{words}");
    assert!(secret.len() < 8 || !words.contains(secret), "{words}");
}

/// A refusal of the sign-in server. Sessions are left out: one that is granted would be put into a keyring.
fn refuse(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_at_checked(3) else { return };
    let status = super::text(status).and_then(|status| status.parse().ok());
    let Some(status) = status.filter(|status| (300..=599).contains(status)) else { return };
    Wire::with(|wire| {
        wire.answer(&Answer { status, ..Answer::json(body) });
        let auth = auth(wire, None);
        let (password, refresh_token) = ("a-secret-word".into(), "a-secret-token".into());
        let signed_in = wire.runtime.block_on(async {
            [auth.sign_in("a@b.test", &password).await, auth.sign_in_with(&refresh_token).await]
        });
        for result in signed_in {
            let error = result.map(|_| "a session").expect_err("a refusal is no session");
            check_error(&error, "a-secret-");
        }
    });
}

/// A key that opens everything is never used, and none can break a header.
fn project_key(key: &str) {
    match project(key) {
        Ok(project) => {
            assert!(!key.starts_with("sb_secret_"));
            assert_eq!(project.key_header().as_bytes(), key.as_bytes());
            let url = project.endpoint(&[key]);
            assert_eq!(url.host_str(), Some("project.test"));
            assert_eq!(url.path_segments().map(Iterator::count), Some(1), "{url}");
        }
        Err(error) => assert!(key.len() < 12 || !error.to_string().contains(key)),
    }
}

/// The address of a database: its text is in no error and in no log.
pub(super) fn database_url(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    let words = match DatabaseUrl::parse(&SecretString::from(text)) {
        Ok(url) => format!("{url:?}"),
        Err(error) => error.to_string(),
    };
    let user = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    let Some((_, password)) = user.and_then(|user| user.split_once(':')) else { return };
    for piece in password.split(|character: char| !character.is_ascii_alphanumeric()) {
        // A piece that stands elsewhere too may be told from there, and one without a digit may be a word of ours.
        let is_secret = piece.len() >= 6
            && piece.bytes().any(|byte| byte.is_ascii_digit())
            && text.matches(piece).count() == 1;
        assert!(!is_secret || !words.contains(piece), "{words} tells {piece}");
    }
}
