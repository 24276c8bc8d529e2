//! Requests that nobody answers: each with its status and the way out, and nothing of what it carried.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::{Value, json};

use super::caller::{Answer, Caller, read};
use super::server::Program;
use super::tokens::{ALICE, BOB, SECRET, claims, seconds_from_now, signed_with, token, with};
use crate::stdio::driver::at;

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} })
}

fn check(what: &str, answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    let message = answer.message();
    assert!(at(&message, "/error/message").as_str().unwrap().contains(word), "{what}: {message}");
    assert_eq!((at(&message, "/jsonrpc"), at(&message, "/id")), (&json!("2.0"), &Value::Null), "{what}");
    assert!(!answer.text.contains("eyJ") && !answer.text.contains("canary"), "{what}: {}", answer.text);
}

#[tokio::test]
async fn a_token_that_is_not_good_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = format!("{ALICE}, carol@example.com");
    let server = Program::simulated(folder.path()).with("HTTP_ALLOWED_USERS", allowed).start();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", server.url);
    let plain = format!("Bearer resource_metadata=\"{metadata}\"");
    let invalid = format!("{plain}, error=\"invalid_token\"");

    let nobody = Caller::nobody(&server);
    let answer = read(nobody.post(&list())).await;
    check("no token", &answer, 401, "hint: send `Authorization: Bearer`");
    assert_eq!(answer.header("www-authenticate"), plain);
    for (what, value) in [("basic", "Basic canary"), ("no scheme", "canary"), ("nothing", "")] {
        let answer = read(nobody.post(&list()).header("authorization", value)).await;
        check(what, &answer, 401, "no token came");
    }
    // A token in an address would be in every log on the way.
    let answer = read(nobody.with_query(&format!("access_token={}", token(ALICE))).post(&list())).await;
    check("in the address", &answer, 401, "no token came");

    let good = claims(ALICE);
    let header = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let parts = token(ALICE);
    let mut parts = parts.split('.').skip(1);
    let (payload, signature) = (parts.next().unwrap(), parts.next().unwrap());
    for (what, token, word) in [
        ("expired", signed_with(&with(good.clone(), "exp", json!(seconds_from_now(-60))), SECRET), "expired"),
        ("another secret", signed_with(&good, "another-canary-another-canary-another"), "signature"),
        ("alg none", format!("{}.{payload}.", header(r#"{"alg":"none"}"#)), "cannot be read"),
        (
            "alg ES256",
            format!("{}.{payload}.{signature}", header(r#"{"alg":"ES256","kid":"x"}"#)),
            "algorithm",
        ),
        ("service role", signed_with(&with(good.clone(), "role", json!("service_role")), SECRET), "role"),
        ("another audience", signed_with(&with(good.clone(), "aud", json!("canary")), SECRET), "audience"),
        ("no user", signed_with(&with(good.clone(), "sub", json!("canary")), SECRET), "names no user"),
        ("garbage", "canary".to_owned(), "cannot be read"),
        ("too long", "a".repeat(20_000), "too long"),
    ] {
        let answer = read(Caller::new(&server, token).post(&list())).await;
        check(what, &answer, 401, word);
        assert_eq!(answer.header("www-authenticate"), invalid, "{what}");
    }
    for (what, token, word) in [
        ("not allowed", token(BOB), "ask whoever runs it"),
        (
            "anonymous",
            signed_with(&with(good.clone(), "is_anonymous", json!(true)), SECRET),
            "with an account",
        ),
    ] {
        check(what, &read(Caller::new(&server, token).post(&list())).await, 403, word);
    }
    // The same with good ones, so that the others can fail: by id, and by address in letters of any size.
    let by_mail = signed_with(&with(claims(BOB), "email", json!("Carol@Example.com")), SECRET);
    for token in [token(ALICE), by_mail] {
        let tools = Caller::new(&server, token).modern("tools/list", json!({})).await;
        assert_eq!(tools.status, 200, "{}", tools.text);
    }
    let ended = server.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(!ended.stderr.contains("eyJ") && !ended.stderr.contains("canary"), "{}", ended.stderr);
}

#[tokio::test]
async fn another_sites_page_and_another_servers_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let alice = Caller::new(&server, token(ALICE));
    let port = server.address.rsplit(':').next().unwrap();
    for (origin, status) in [
        ("https://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        ("http://localhost:1".to_owned(), 403),
        (format!("http://127.0.0.1.evil.example:{port}"), 403),
        (format!("http://localhost:{port}"), 200),
        (server.url.clone(), 200),
    ] {
        let answer = read(alice.modern_request("tools/list", json!({})).header("origin", &origin)).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
        if status == 403 {
            check(&origin, &answer, 403, "Origin");
        }
    }
    for (host, status) in [
        (format!("evil.example:{port}"), 403),
        ("127.0.0.1:1".to_owned(), 403),
        (format!("LOCALHOST:{port}"), 200),
    ] {
        let answer = read(alice.modern_request("tools/list", json!({})).header("host", &host)).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
        if status == 403 {
            check(&host, &answer, 403, "Host");
        }
    }
    // Refused without a look at the token, which a page of another site has not.
    let nobody = Caller::nobody(&server);
    check("page", &read(nobody.post(&list()).header("origin", "https://evil.example")).await, 403, "Origin");
}

/// Posts a body in pieces, and gives the first line of the answer.
fn in_pieces(address: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        token(ALICE)
    );
    stream.write_all(head.as_bytes()).unwrap();
    for piece in body.as_bytes().chunks(1 << 16) {
        let piece = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        // The server may have heard enough.
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[tokio::test]
async fn a_body_that_is_no_message_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let alice = Caller::new(&server, token(ALICE));
    let post = |body: String| alice.begin(Method::POST).header("content-type", "application/json").body(body);
    let too_long = format!("\"{}\"", "a".repeat(4 << 20));
    check("too long", &read(post(too_long.clone())).await, 413, "send less");
    // Without a length in its head.
    let status = in_pieces(&server.address, &too_long);
    assert!(status.starts_with("HTTP/1.1 413 "), "{status}");
    for (what, body, code) in [
        ("not JSON", "{\"jsonrpc\": canary".to_owned(), -32_700),
        ("nothing", String::new(), -32_700),
        ("a batch", format!("[{}]", list()), -32_600),
        ("a number", "7".to_owned(), -32_600),
    ] {
        let answer = read(post(body)).await;
        check(what, &answer, 400, "");
        assert_eq!(at(&answer.message(), "/error/code"), code, "{what}");
    }
    let answer = read(alice.begin(Method::POST).header("content-type", "text/plain").body("{}")).await;
    assert_eq!(answer.status, 415);
    for method in [Method::PUT, Method::PATCH, Method::OPTIONS] {
        assert_eq!(read(alice.begin(method)).await.status, 405);
    }
    // It still serves.
    assert_eq!(alice.modern("tools/list", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_user_who_asks_too_fast_is_told_when_to_come_back_and_nobody_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let (alice, bob) = (Caller::new(&server, token(ALICE)), Caller::new(&server, token(BOB)));
    let mut refused = None;
    for _ in 0..400 {
        let answer = read(alice.begin(Method::PUT)).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 405);
    }
    let refused = refused.expect("400 requests at once are too many");
    check("too fast", &refused, 429, "Retry-After");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(bob.modern("tools/list", json!({})).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(alice.modern("tools/list", json!({})).await.status, 200);
}

#[tokio::test]
async fn what_is_asked_before_anything_else_needs_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let nobody = Caller::nobody(&server);
    let healthz = nobody.page("/healthz").await;
    assert_eq!((healthz.status, at(&healthz.message(), "/status")), (200, &json!("ok")));
    let readyz = nobody.page("/readyz").await;
    assert_eq!((readyz.status, at(&readyz.message(), "/ready")), (200, &json!(true)), "{}", readyz.text);
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let metadata = nobody.page(path).await.message();
        assert_eq!(at(&metadata, "/resource"), &json!(format!("{}/mcp", server.url)));
        assert_eq!(at(&metadata, "/bearer_methods_supported"), &json!(["header"]));
    }
    assert_eq!(nobody.page("/").await.status, 404);
}
