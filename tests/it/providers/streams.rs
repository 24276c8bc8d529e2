//! Streams, piece by piece: what they add up to, and how much of them arrives before they break.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::answer::{Completion, FinishReason};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::anthropic::Anthropic;
use ai_cost_optimizer::providers::gemini::Gemini;
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::providers::ollama::Ollama;
use ai_cost_optimizer::providers::openai_chat::{Flavour, OpenAiChat};
use ai_cost_optimizer::providers::{Delivery, Draft, ProviderCall, ProviderError};

use super::{Connect, call, endpoint, shown};

const ANTHROPIC: Connect = |client, endpoint| Box::new(Anthropic::new(client, endpoint));
const GEMINI: Connect = |client, endpoint| Box::new(Gemini::new(client, endpoint));
const OPEN_ROUTER: Connect =
    |client, endpoint| Box::new(OpenAiChat::new(client, endpoint, Flavour::OpenRouter));
const COMPATIBLE: Connect =
    |client, endpoint| Box::new(OpenAiChat::new(client, endpoint, Flavour::Compatible));
const OLLAMA: Connect = |client, endpoint| Box::new(Ollama::new(client, endpoint));

/// Sends pieces as they are, with a pause after each.
fn serve(content_type: &'static str, pieces: Vec<String>, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8_192];
        let _ = stream.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for piece in pieces {
            if stream.write_all(piece.as_bytes()).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    });
    url
}

fn streamed(gap: Duration) -> ProviderCall {
    ProviderCall { delivery: Delivery::Streamed, gap_timeout: gap, ..call("asked-for") }
}

async fn ask(connect: Connect, url: &str, draft: &Draft) -> Result<Completion, ProviderError> {
    connect(http::client().unwrap(), endpoint(url)).complete(&streamed(Duration::from_secs(5)), draft).await
}

async fn gather(connect: Connect, pieces: &[&str]) -> Result<Completion, ProviderError> {
    let pieces = pieces.iter().map(|piece| (*piece).to_owned()).collect();
    ask(connect, &serve("text/event-stream", pieces, Duration::ZERO), &Draft::default()).await
}

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n";
const THOUGHT: &str = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm\"}}\n\n";
const TEXT: &str = "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Bl\u{fc}e.\"}}\n\n";
const END: &str = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":40,\"output_tokens_details\":{\"thinking_tokens\":30}}}\n\n";
const STOP: &str = "data: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn anthropics_usage_is_a_snapshot_and_thoughts_are_no_text() {
    let found = gather(ANTHROPIC, &[START, "data: {\"type\": \"ping\"}\n\n", THOUGHT, TEXT, END, STOP])
        .await
        .unwrap();
    let expected = Usage { cached_input_tokens: 100, reasoning_tokens: 30, ..usage(125, 40) };
    assert_eq!((found.text.as_str(), found.usage), ("Bl\u{fc}e.", Some(expected)));
    assert_eq!((found.model.as_str(), found.finish_reason), ("claude-x", FinishReason::Stop));
}

#[tokio::test]
async fn a_stream_may_be_cut_anywhere_without_changing_the_answer() {
    let whole = [START, THOUGHT, TEXT, END, STOP].concat().replace('\n', "\r\n");
    for size in [1, 2, 7, 64, 1_000] {
        let bytes: Vec<u8> = whole.bytes().collect();
        // A piece may end within a character, so the pieces are bytes.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let _ = stream.read(&mut [0; 8_192]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
                .unwrap();
            for piece in bytes.chunks(size) {
                stream.write_all(piece).unwrap();
                if size < 64 {
                    thread::sleep(Duration::from_micros(200));
                }
            }
        });
        let found = ask(ANTHROPIC, &url, &Draft::default()).await.unwrap();
        assert_eq!(found.text, "Bl\u{fc}e.", "pieces of {size} bytes");
    }
}

#[tokio::test]
async fn geminis_last_usage_is_the_sum_and_a_blocked_prompt_is_one_piece() {
    let found = gather(GEMINI, &[
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Th\",\"thought\":true}]}}],\"usageMetadata\":{\"promptTokenCount\":9},\"modelVersion\":\"g-1\"}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Blue \"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":5}}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"light.\"}]},\"finishReason\":\"MAX_TOKENS\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":5}}\r\n\r\n",
    ]).await.unwrap();
    assert_eq!((found.text.as_str(), found.finish_reason), ("Blue light.", FinishReason::Length));
    assert_eq!(found.usage, Some(Usage { reasoning_tokens: 5, ..usage(9, 8) }));
    let blocked = gather(GEMINI, &["data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":9}}\n\n"]).await.unwrap();
    assert_eq!((blocked.finish_reason, blocked.usage), (FinishReason::ContentFilter, Some(usage(9, 0))));
}

#[tokio::test]
async fn open_routers_cost_rides_in_a_chunk_without_choices() {
    let found = gather(OPEN_ROUTER, &[
        ": OPENROUTER PROCESSING\n\n",
        "data: {\"model\":\"a/b\",\"choices\":[{\"delta\":{\"content\":\"Blue\"},\"finish_reason\":null}]}\n\n",
        "data: {\"model\":\"a/b\",\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"model\":\"a/b\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"cost\":0.0000471}}\n\n",
        "data: [DONE]\n\n",
    ]).await.unwrap();
    assert_eq!((found.text.as_str(), found.usage), ("Blue", Some(usage(7, 2))));
    assert_eq!(found.reported_cost, Some(Usd::from_pico(47_100_000)));
}

#[tokio::test]
async fn an_answer_that_has_finished_stands_although_its_usage_never_comes() {
    let finished = "data: {\"choices\":[{\"delta\":{\"content\":\"Blue\"},\"finish_reason\":\"stop\"}]}\n\n";
    let found = gather(COMPATIBLE, &[finished]).await.unwrap();
    assert_eq!((found.text.as_str(), found.usage), ("Blue", None));
    // The same where the connection is held open.
    let pieces = vec![finished.to_owned(), String::new()];
    let started = Instant::now();
    let url = serve("text/event-stream", pieces, Duration::from_secs(20));
    let found = ask(COMPATIBLE, &url, &Draft::default()).await.unwrap();
    assert_eq!((found.text.as_str(), found.usage), ("Blue", None));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn ollama_sends_a_line_a_piece_and_counts_in_the_last() {
    let found = gather(OLLAMA, &[
        "{\"model\":\"q\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Hm\"},\"done\":false}\n",
        "{\"model\":\"q\",\"message\":{\"role\":\"assistant\",\"content\":\"Blue\"},\"done\":false}\n\n",
        "{\"model\":\"q\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":5,\"eval_count\":3}",
    ]).await.unwrap();
    assert_eq!((found.text.as_str(), found.finish_reason), ("Blue", FinishReason::Length));
    assert_eq!(found.usage, Some(usage(5, 3)));
}

#[tokio::test]
async fn a_failure_in_the_middle_is_what_it_would_have_been_at_the_start() {
    async fn check(connect: Connect, pieces: &[&str], expected: &str) {
        assert_eq!(shown(&gather(connect, pieces).await.unwrap_err()), expected);
    }
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"canary-prompt\"}}\n\n";
    check(
        ANTHROPIC,
        &[START, TEXT, overloaded],
        r#"Overloaded { code: "overloaded_error", retry_after: None }"#,
    )
    .await;
    check(
        GEMINI,
        &["data: {\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}\n\n"],
        r#"Overloaded { code: "UNAVAILABLE", retry_after: None }"#,
    )
    .await;
    check(
        OPEN_ROUTER,
        &["data: {\"error\":{\"code\":502,\"message\":\"canary-prompt\"}}\n\n"],
        r#"Upstream { status: 502, code: "http_502" }"#,
    )
    .await;
    check(
        OPEN_ROUTER,
        &["data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\",\"error\":{\"code\":429}}]}\n\n"],
        r#"Overloaded { code: "http_429", retry_after: None }"#,
    )
    .await;
    check(OLLAMA, &["{\"error\":\"llama runner\"}\n"], r#"Upstream { status: 500, code: "http_500" }"#).await;
    let early = r#"Malformed("a stream that ends too early")"#;
    for (connect, pieces) in
        [(ANTHROPIC, &[START, TEXT][..]), (OPEN_ROUTER, &[]), (GEMINI, &[]), (OLLAMA, &["\n"])]
    {
        check(connect, pieces, early).await;
    }
    check(ANTHROPIC, &["data: {\"type\":\n\n"], r#"Malformed("JSON that ends too early")"#).await;
    let long = format!("data: {}\n\n", "a".repeat(5 << 20));
    check(ANTHROPIC, &[&long], r#"Malformed("a line that is too long or no text")"#).await;
}

#[tokio::test]
async fn what_arrived_before_a_stall_is_in_the_draft() {
    let pieces = vec![[START, TEXT].concat(), String::new()];
    let url = serve("text/event-stream", pieces, Duration::from_secs(5));
    let (draft, started) = (Arc::<Draft>::default(), Instant::now());
    let provider = ANTHROPIC(http::client().unwrap(), endpoint(&url));
    let error = provider.complete(&streamed(Duration::from_millis(300)), &draft).await.unwrap_err();
    assert_eq!(shown(&error), "Timeout(300ms)");
    assert!(error.may_be_billed() && started.elapsed() < Duration::from_secs(3));
    let arrived = draft.arrived();
    assert_eq!(
        (arrived.text.as_str(), arrived.usage),
        ("Bl\u{fc}e.", Some(Usage { cached_input_tokens: 100, ..usage(125, 1) }))
    );
}

#[tokio::test]
async fn a_server_that_answers_a_stream_in_one_piece_is_understood() {
    let body = "{\"choices\":[{\"message\":{\"content\":\"Blue\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}";
    let url = serve("application/json", vec![body.to_owned()], Duration::ZERO);
    let found = ask(COMPATIBLE, &url, &Draft::default()).await.unwrap();
    assert_eq!((found.text.as_str(), found.usage), ("Blue", Some(usage(7, 2))));
}
