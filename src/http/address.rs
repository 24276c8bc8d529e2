//! Where the server listens, by what name it is known outside, and which `Host` and `Origin` are its own.
//!
//! A page of another site must not reach a server on this machine (DNS rebinding), nor one behind a proxy.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};
use reqwest::Url;

use super::refusal::Refusal;

/// Where the MCP endpoint is, on every address.
pub(super) const PATH: &str = "/mcp";
/// Where its metadata are (RFC 9728), the path of the endpoint after it or not.
pub(super) const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where to listen, and what a TLS proxy in front is known as.
#[derive(Debug, Clone)]
pub struct Address {
    pub bind: SocketAddr,
    /// Absent: there is no proxy, and nobody outside this machine is served.
    pub proxy: Option<Url>,
}

/// An address that is not served at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("--http is `{0}`; accepted: an IP address with or without a port, such as 127.0.0.1:8001")]
    Bind(String),
    #[error(
        "--http {0} can be reached from other machines, and tokens would travel there in the clear; hint: put a TLS proxy before it and pass --behind-tls-proxy with its https address, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    #[error(
        "--behind-tls-proxy is `{0}`; accepted: the https address that clients use, without a path, such as https://optimizer.example.com"
    )]
    Proxy(String),
}

impl Address {
    /// Reads the two arguments; `port` is for an address that names none.
    pub fn new(bind: &str, port: u16, proxy: Option<&str>) -> Result<Self, BadAddress> {
        let with_port = || bind.parse::<SocketAddr>().ok();
        let without = || bind.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        let bind = with_port().or_else(without).ok_or_else(|| BadAddress::Bind(bind.to_owned()))?;
        let proxy = match proxy {
            Some(text) => Some(proxy_url(text).ok_or_else(|| BadAddress::Proxy(text.to_owned()))?),
            None => None,
        };
        if proxy.is_none() && !bind.ip().is_loopback() {
            return Err(BadAddress::Open(bind));
        }
        Ok(Self { bind, proxy })
    }

    /// Gives the names by which the server is called, once it listens.
    pub(super) fn names(&self, bound: SocketAddr) -> Names {
        let port = bound.port();
        let (base, mut hosts, mut origins) = match &self.proxy {
            Some(url) => {
                let origin = url.origin().ascii_serialization();
                let host = origin.trim_start_matches("https://").to_owned();
                let is_usual = url.port().is_none();
                let hosts = if is_usual { vec![format!("{host}:443"), host] } else { vec![host] };
                (origin.clone(), hosts, vec![origin])
            }
            None => (format!("http://{bound}"), Vec::new(), Vec::new()),
        };
        // A proxy may pass on the address that it calls.
        hosts.push(bound.to_string());
        if bound.ip().is_loopback() {
            hosts.extend(LOOPBACK.map(|host| format!("{host}:{port}")));
        }
        if self.proxy.is_none() {
            origins.extend(LOOPBACK.map(|host| format!("http://{host}:{port}")));
        }
        Names {
            resource: format!("{base}{PATH}"),
            metadata: format!("{base}{METADATA_PATH}{PATH}"),
            hosts,
            origins,
        }
    }
}

fn proxy_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (url.scheme() == "https" && url.has_host() && is_plain && is_bare).then_some(url)
}

/// What the server is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The endpoint, as clients write it.
    pub(super) resource: String,
    /// Its metadata.
    pub(super) metadata: String,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    /// Refuses a request for another host, or from a page of another site.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_ours = |host: &str| self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host));
        if uri.authority().is_some_and(|authority| !is_ours(authority.as_str())) {
            return Err(Refusal::Host);
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_ours) || hosts.next().is_some() {
            return Err(Refusal::Host);
        }
        let is_own = |origin: &str| self.origins.iter().any(|own| own.eq_ignore_ascii_case(origin));
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if origins.any(|origin| !origin.to_str().is_ok_and(is_own)) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_outside_is_served_without_a_tls_proxy() {
        let check = |bind: &str, proxy: Option<&str>, expected: Result<&str, &str>| match (
            Address::new(bind, 8_001, proxy),
            expected,
        ) {
            (Ok(address), Ok(bound)) => assert_eq!(address.bind.to_string(), bound),
            (Err(problem), Err(word)) => assert!(problem.to_string().contains(word), "{problem}"),
            (found, expected) => panic!("{bind} {proxy:?}: {found:?}, not {expected:?}"),
        };
        let proxy = Some("https://optimizer.example.com");
        check("127.0.0.1:0", None, Ok("127.0.0.1:0"));
        check("127.0.0.1", None, Ok("127.0.0.1:8001"));
        check("::1", None, Ok("[::1]:8001"));
        check("0.0.0.0:80", None, Err("--behind-tls-proxy"));
        check("192.168.1.2", None, Err("--behind-tls-proxy"));
        check("0.0.0.0:80", proxy, Ok("0.0.0.0:80"));
        check("localhost", None, Err("accepted"));
        for wrong in ["http://a.example", "https://a.example/x", "https://u:p@a.example", "a.example"] {
            check("127.0.0.1", Some(wrong), Err("--behind-tls-proxy"));
        }
    }

    #[test]
    fn only_its_own_hosts_and_origins_are_taken() {
        let names = |proxy: Option<&str>| {
            let address = Address::new("127.0.0.1:8001", 0, proxy).unwrap();
            address.names(address.bind)
        };
        let check = |names: &Names, host: &str, origin: Option<&str>, expected: Result<(), Refusal>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(names.check(&Uri::from_static("/mcp"), &headers), expected, "{host} {origin:?}");
        };
        let local = names(None);
        assert_eq!(local.resource, "http://127.0.0.1:8001/mcp");
        assert_eq!(local.metadata, "http://127.0.0.1:8001/.well-known/oauth-protected-resource/mcp");
        check(&local, "localhost:8001", None, Ok(()));
        check(&local, "127.0.0.1:8001", Some("http://localhost:8001"), Ok(()));
        check(&local, "127.0.0.1:8001", Some("null"), Err(Refusal::Origin));
        check(&local, "127.0.0.1:8001", Some("http://localhost:9"), Err(Refusal::Origin));
        check(&local, "127.0.0.1", None, Err(Refusal::Host));
        check(&local, "evil.example:8001", None, Err(Refusal::Host));
        let team = names(Some("https://optimizer.example.com"));
        assert_eq!(team.resource, "https://optimizer.example.com/mcp");
        check(&team, "optimizer.example.com", Some("https://optimizer.example.com"), Ok(()));
        check(&team, "OPTIMIZER.example.com:443", None, Ok(()));
        check(&team, "127.0.0.1:8001", None, Ok(()));
        check(&team, "optimizer.example.com", Some("http://optimizer.example.com"), Err(Refusal::Origin));
        check(&team, "optimizer.example.com.evil.example", None, Err(Refusal::Host));
    }
}
