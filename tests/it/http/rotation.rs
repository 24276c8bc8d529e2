//! Keys of a project that come and go, and one that does not say which it has.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::caller::Caller;
use super::server::{Program, Server};
use super::tokens::{ALICE, Pair, SECRET, claims, signed_with};
use crate::stdio::provider::Provider;
use crate::store::stack::User;

/// A project that shows some keys, or fails; nothing else of it answers.
struct Keys {
    server: MockServer,
    shown: Arc<Mutex<Option<Vec<Value>>>>,
}

impl Keys {
    async fn start(keys: Option<Vec<Value>>) -> Self {
        let server = MockServer::start().await;
        let shown = Arc::new(Mutex::new(keys));
        let now = Arc::clone(&shown);
        let respond = move |_: &wiremock::Request| match &*now.lock().unwrap() {
            Some(keys) => ResponseTemplate::new(200).set_body_json(json!({ "keys": keys })),
            None => ResponseTemplate::new(500),
        };
        let route = Mock::given(method("GET")).and(path("/auth/v1/.well-known/jwks.json"));
        route.respond_with(respond).mount(&server).await;
        Self { server, shown }
    }

    fn show(&self, keys: Option<Vec<Value>>) {
        *self.shown.lock().unwrap() = keys;
    }

    async fn asked(&self) -> usize {
        let asked = self.server.received_requests().await.unwrap();
        asked.iter().filter(|request| request.url.path().ends_with("jwks.json")).count()
    }

    fn program(&self, folder: &std::path::Path, provider: &Provider) -> Program {
        let user = User {
            id: String::new(),
            url: self.server.uri(),
            key: "sb_publishable_x".to_owned(),
            email: String::new(),
            password: String::new(),
            access_token: None,
        };
        Program::of_project(folder, &user, provider)
    }
}

async fn status(server: &Server, token: &str) -> u16 {
    Caller::new(server, token).modern("tools/list", json!({})).await.status
}

#[tokio::test]
async fn a_new_key_is_learned_and_strange_ones_do_not_make_it_ask_often() {
    let (first, second) = (Pair::first(), Pair::second());
    let keys = Keys::start(Some(vec![first.public()])).await;
    let folder = tempfile::tempdir().unwrap();
    let provider = tokio::task::spawn_blocking(Provider::quick).await.unwrap();
    let server = keys.program(folder.path(), &provider).start();
    let (old, new) = (first.sign(&claims(ALICE)), second.sign(&claims(ALICE)));
    assert_eq!(status(&server, &old).await, 200);
    for _ in 0..20 {
        assert_eq!(status(&server, &new).await, 401);
    }
    assert_eq!(keys.asked().await, 1);
    // While it changes over both are good; then the old one is withdrawn.
    keys.show(Some(vec![first.public(), second.public()]));
    let began = Instant::now();
    while status(&server, &new).await != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the new key was not learned");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(status(&server, &old).await, 200);
    assert_eq!(keys.asked().await, 2);
    // A project that is away takes nothing from who is known.
    keys.show(None);
    assert_eq!(status(&server, &new).await, 200);
    // A secret that this server does not have signs nothing, nor does a public key as if it were one.
    assert_eq!(status(&server, &signed_with(&claims(ALICE), SECRET)).await, 401);
    let x = second.public()["x"].as_str().unwrap().to_owned();
    assert_eq!(status(&server, &signed_with(&claims(ALICE), &x)).await, 401);
    tokio::task::spawn_blocking(|| drop(provider)).await.unwrap();
}

#[tokio::test]
async fn both_kinds_of_keys_are_good_where_the_operator_has_the_secret() {
    let first = Pair::first();
    let keys = Keys::start(Some(vec![first.public()])).await;
    let folder = tempfile::tempdir().unwrap();
    let provider = tokio::task::spawn_blocking(Provider::quick).await.unwrap();
    let server = keys.program(folder.path(), &provider).with("SUPABASE_JWT_SECRET", SECRET).start();
    assert_eq!(status(&server, &signed_with(&claims(ALICE), SECRET)).await, 200);
    assert_eq!(keys.asked().await, 0, "a secret needs no keys");
    assert_eq!(status(&server, &first.sign(&claims(ALICE))).await, 200);
    tokio::task::spawn_blocking(|| drop(provider)).await.unwrap();
}

#[tokio::test]
async fn where_no_key_can_be_had_nobody_is_told_that_the_token_is_bad() {
    let keys = Keys::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let provider = tokio::task::spawn_blocking(Provider::quick).await.unwrap();
    let server = keys.program(folder.path(), &provider).start();
    let answer =
        Caller::new(&server, Pair::first().sign(&claims(ALICE))).modern("tools/list", json!({})).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!((answer.header("retry-after"), answer.header("www-authenticate")), ("10", ""));
    let ready = Caller::nobody(&server).page("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert_eq!(ready.message()["signing_keys"], "unknown");
    assert_eq!(Caller::nobody(&server).page("/healthz").await.status, 200);
    tokio::task::spawn_blocking(|| drop(provider)).await.unwrap();
}
