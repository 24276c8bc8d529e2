//! What the streaming path adds to a piece of an answer: from the socket until it stands in the draft.
//!
//! A server on loopback sends pieces at a pace and notes when. The same pieces are read by the bare HTTP client and
//! by the adapter, in turn; the difference is ours. `cargo bench --bench stream`

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::prompt::{Role, Turn};
use ai_cost_optimizer::providers::anthropic::Anthropic;
use ai_cost_optimizer::providers::http::{self, Endpoint};
use ai_cost_optimizer::providers::{Delivery, Draft, Provider as _, ProviderCall};
use serde_json::json;

const PIECES: usize = 1_000;
const PACE: Duration = Duration::from_millis(5);

/// Starts a server for one call; it tells when each piece was sent.
fn serve() -> (String, Receiver<Vec<Instant>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        stream.set_nodelay(true).expect("no delay");
        let _ = stream.read(&mut [0; 65_536]).expect("a request");
        let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
        let start = json!({ "type": "message_start", "message": { "model": "m", "usage": usage } });
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {start}\n\n"
        )
        .expect("a reader");
        let piece = json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": "x" } });
        let piece = format!("event: content_block_delta\ndata: {piece}\n\n");
        let mut sent = Vec::new();
        for _ in 0..PIECES {
            thread::sleep(PACE);
            sent.push(Instant::now());
            stream.write_all(piece.as_bytes()).expect("a reader");
        }
        let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": usage });
        write!(stream, "data: {end}\n\ndata: {{\"type\":\"message_stop\"}}\n\n").expect("a reader");
        sender.send(sent).expect("somebody waits");
    });
    (url, receiver)
}

/// Reads with the bare client, and notes when each piece came.
async fn bare(url: &str) -> Vec<Instant> {
    let client = http::client().expect("a client");
    let mut response = client.post(url).body("{}").send().await.expect("an answer");
    let mut came = Vec::new();
    while let Some(chunk) = response.chunk().await.expect("a chunk") {
        let now = Instant::now();
        let text = String::from_utf8_lossy(&chunk);
        came.extend(text.matches("text_delta").map(|_| now));
    }
    came
}

/// Reads with the adapter, while another thread watches the draft grow.
async fn adapted(url: &str) -> Vec<Instant> {
    let endpoint = Endpoint {
        base_url: url.parse().expect("a URL"),
        key: Some("key".into()),
        key_variable: "ANTHROPIC_API_KEY",
    };
    let provider = Anthropic::new(http::client().expect("a client"), endpoint);
    let limit = Duration::from_secs(60);
    let call = ProviderCall {
        model: "m".into(),
        system: None,
        turns: vec![Turn { role: Role::User, text: "Hello".into() }],
        max_visible_tokens: 1_024,
        thinking_allowance: 0,
        temperature: None,
        context_window: 100_000,
        delivery: Delivery::Streamed,
        timeout: limit,
        first_byte_timeout: limit,
        gap_timeout: limit,
    };
    let draft = Arc::<Draft>::default();
    let (watched, came) = (Arc::clone(&draft), Arc::<Mutex<Vec<Instant>>>::default());
    let notes = Arc::clone(&came);
    let watcher = thread::spawn(move || {
        let mut seen = 0;
        while seen < PIECES {
            let length = watched.with(|arrived| arrived.text.len());
            let now = Instant::now();
            notes.lock().expect("one writer").extend((seen..length).map(|_| now));
            seen = length.max(seen);
            // Fine enough for the figure, and the other threads need the processors.
            thread::sleep(Duration::from_micros(20));
        }
    });
    provider.complete(&call, &draft).await.expect("an answer");
    watcher.join().expect("the watcher ends");
    came.lock().expect("nobody writes any more").clone()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for _ in 0..3 {
        for name in ["bare client", "adapter and draft"] {
            let (url, sent) = serve();
            let came = runtime.block_on(async {
                if name == "bare client" { bare(&url).await } else { adapted(&url).await }
            });
            let sent = sent.recv().expect("the server ends");
            assert_eq!(came.len(), sent.len(), "a piece was lost");
            let mut times: Vec<Duration> =
                came.iter().zip(&sent).map(|(came, sent)| came.saturating_duration_since(*sent)).collect();
            times.sort();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            println!(
                "{name:<18} a piece: p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms",
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}
