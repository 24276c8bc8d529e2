//! The Supabase project: where it is, and the key that its gateway wants.

use std::fmt;

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A project's address and its public key.
#[derive(Clone)]
pub struct Project {
    url: Url,
    key: SecretString,
}

/// A key that is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProject {
    #[error(
        "SUPABASE_ANON_KEY holds a secret key, which bypasses row-level security and is never needed here; hint: use the publishable key (sb_publishable_…) or the anon key"
    )]
    SecretKey,
    #[error("SUPABASE_ANON_KEY holds a character that no key has (a space or a quote?); hint: copy it again")]
    NoKey,
}

impl Project {
    /// Takes a project; a key that would bypass row-level security is refused.
    pub fn new(url: Url, key: SecretString) -> Result<Self, BadProject> {
        let text = key.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadProject::NoKey);
        }
        if text.starts_with("sb_secret_") || is_service_role(text) {
            return Err(BadProject::SecretKey);
        }
        Ok(Self { url, key })
    }

    /// Names the project's host.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Appends path segments to the project's address.
    pub fn endpoint(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Gives the key, for the one place that takes it in an address: it is public, and opens nothing by itself.
    pub fn public_key(&self) -> &str {
        self.key.expose_secret()
    }

    /// Gives the key as a header value that no log shows.
    pub fn key_header(&self) -> HeaderValue {
        // A key of other characters does not get here.
        let mut value =
            HeaderValue::from_str(self.key.expose_secret()).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// Says whether a key of the old kind, which is a token itself, is the one of the service role.
///
/// The key is looked into for this refusal only.
fn is_service_role(key: &str) -> bool {
    #[derive(Deserialize)]
    struct Role {
        role: String,
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<Role>(key)
        .is_ok_and(|claims| claims.role == "service_role")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_bypasses_row_level_security_is_refused() {
        let check = |key: &str, expected: Option<BadProject>| {
            let url = Url::parse("https://project.example").unwrap();
            assert_eq!(Project::new(url, SecretString::from(key)).err(), expected, "{key}");
        };
        // {"alg":"HS256","typ":"JWT"} and {"role":"service_role"}, {"role":"anon"}.
        let head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        check(&format!("{head}.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln"), Some(BadProject::SecretKey));
        check(&format!("{head}.eyJyb2xlIjoiYW5vbiJ9.c2ln"), None);
        check("sb_secret_abc", Some(BadProject::SecretKey));
        check("sb_publishable_abc", None);
        check("any-other.key", None);
        check("", Some(BadProject::NoKey));
        check("a key", Some(BadProject::NoKey));
    }

    #[test]
    fn an_endpoint_stays_below_the_projects_address() {
        let project = |url: &str| Project::new(Url::parse(url).unwrap(), "key".into()).unwrap();
        let url = project("https://project.example/").endpoint(&["auth", "v1", "token"]);
        assert_eq!(url.as_str(), "https://project.example/auth/v1/token");
        assert_eq!(project("http://127.0.0.1:54321").host(), "127.0.0.1:54321");
        assert_eq!(format!("{:?}", project("https://a.b")), "Project { host: \"a.b\", .. }");
    }
}
