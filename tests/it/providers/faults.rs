//! Servers that misbehave below or beside their format; each adapter goes through the same door,
//! so one stands for all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ai_cost_optimizer::providers::anthropic::Anthropic;
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::providers::{Draft, Provider, ProviderCall, ProviderError};
use wiremock::ResponseTemplate;

use super::{Connect, KEY, PROMPT, call, endpoint, exchange, shown};

const CONNECT: Connect = |client, endpoint| Box::new(Anthropic::new(client, endpoint));
const PATIENCE: Duration = Duration::from_millis(300);

/// Accepts one connection, reads what is there and hands it to `behave`.
fn server(behave: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).unwrap();
        behave(stream);
    });
    address
}

async fn ask(address: SocketAddr, timeout: Duration) -> ProviderError {
    let provider = Anthropic::new(http::client().unwrap(), endpoint(&format!("http://{address}")));
    let call = ProviderCall { timeout, ..call("claude-haiku-5-5") };
    provider.complete(&call, &Draft::default()).await.unwrap_err()
}

async fn check(response: ResponseTemplate, expected: &str) {
    assert_eq!(exchange(CONNECT, &call("claude-haiku-5-5"), response).await.error(), expected);
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_malformed() {
    let answer = |body: &str| ResponseTemplate::new(200).set_body_string(body);
    check(answer("<html>Sign in to the hotel</html>"), r#"Malformed("not JSON")"#).await;
    check(answer(r#"{"model": "claude-ha"#), r#"Malformed("JSON that ends too early")"#).await;
    check(answer(""), r#"Malformed("JSON that ends too early")"#).await;
    check(answer(&format!(r#"{{"model": ["{PROMPT}"]}}"#)), r#"Malformed("JSON of another shape")"#).await;
    check(answer(r#"{"model":"m","content":{}}"#), r#"Malformed("JSON of another shape")"#).await;
}

#[tokio::test]
async fn an_answer_of_more_than_16_mib_is_not_kept() {
    let response = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (16 << 20) + 1]);
    check(response, r#"Malformed("more than 16 MiB")"#).await;
}

#[tokio::test]
async fn an_error_of_ten_megabytes_is_still_that_error() {
    let body = format!(r#"{{"error": {{"type": "api_error", "message": "{}"}}}}"#, PROMPT.repeat(800_000));
    assert!(body.len() > 10_000_000);
    let expected = r#"Overloaded { code: "http_529", retry_after: Some(3s) }"#;
    let response = ResponseTemplate::new(529).insert_header("retry-after", "3").set_body_string(body);
    check(response, expected).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let response = ResponseTemplate::new(status).insert_header("location", "/elsewhere");
        check(response, &format!(r#"Upstream {{ status: {status}, code: "redirect" }}"#)).await;
    }
}

#[tokio::test]
async fn a_body_that_dribbles_in_does_not_outlast_the_timeout() {
    let address = server(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").unwrap();
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let started = Instant::now();
    let error = ask(address, PATIENCE).await;
    assert_eq!(shown(&error), "Timeout(300ms)");
    assert!(error.may_be_billed());
    assert!((PATIENCE..PATIENCE * 5).contains(&started.elapsed()));
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let address = server(|stream| {
        thread::sleep(PATIENCE * 2);
        drop(stream);
    });
    assert_eq!(shown(&ask(address, PATIENCE).await), "Timeout(300ms)");
}

#[tokio::test]
async fn an_overload_whose_body_never_ends_is_still_an_overload() {
    let address = server(|mut stream| {
        stream.write_all(b"HTTP/1.1 429 Slow\r\ncontent-length: 1000\r\n\r\n{").unwrap();
        thread::sleep(PATIENCE * 2);
    });
    let error = ask(address, PATIENCE).await;
    assert_eq!(shown(&error), r#"Overloaded { code: "http_429", retry_after: None }"#);
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_have_been_billed() {
    let halfway = server(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"model\":").unwrap();
    });
    let error = ask(halfway, Duration::from_secs(10)).await;
    assert_eq!(shown(&error), r#"Malformed("the connection broke in the middle of it")"#);
    assert!(error.may_be_billed());
    let at_once = ask(server(drop), Duration::from_secs(10)).await;
    assert_eq!(shown(&at_once), r#"Malformed("the connection broke before it")"#);
    assert!(at_once.may_be_billed());
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_billed() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask(address, Duration::from_secs(10)).await;
    assert_eq!(shown(&error), r#"Unreachable("connection refused")"#);
    assert!(!error.may_be_billed());
}

#[tokio::test]
async fn a_host_without_a_name_or_without_tls_is_named_as_such() {
    async fn check(base_url: &str, expected: &str) {
        let provider = Anthropic::new(http::client().unwrap(), endpoint(base_url));
        let error = provider.complete(&call("claude-haiku-5-5"), &Draft::default()).await.unwrap_err();
        assert_eq!(shown(&error), expected);
    }
    check(&format!("http://nowhere.invalid/?key={KEY}"), r#"Unreachable("dns failure")"#).await;
    let plain = server(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap());
    check(&format!("https://{plain}"), r#"Unreachable("tls failure")"#).await;
}
