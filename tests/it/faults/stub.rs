//! A provider on loopback that misbehaves on its first call, and counts its calls and what it would bill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ai_cost_optimizer::domain::model::ProviderId;
use serde_json::Value;

use super::shapes::{self, End};
use super::table::Fault;

/// How long a stub keeps a connection that it says nothing on; longer than any deadline in these tests.
const SILENCE: Duration = Duration::from_secs(8);
const WORDS: [&str; 6] = ["Rayleigh ", "scattering ", "makes ", "the ", "sky ", "blue."];

/// One call that reached the stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) model: String,
    pub(super) is_billed: bool,
}

/// A running stub.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    reached: Arc<Mutex<Vec<Reached>>>,
}

impl Stub {
    /// Starts one that fails on its first call, and answers the others.
    pub(super) fn start(provider: ProviderId, fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let reached: Arc<Mutex<Vec<Reached>>> = Arc::default();
        let calls = Arc::clone(&reached);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (calls, fault) = (Arc::clone(&calls), fault.filter(|_| number == 0));
                thread::spawn(move || Call { provider, fault, calls }.take(stream));
            }
        });
        Self { address, reached }
    }

    /// Lists the calls so far.
    pub(super) fn reached(&self) -> Vec<Reached> {
        self.reached.lock().unwrap().clone()
    }
}

/// What a request asks for.
struct Asked {
    model: String,
    is_streamed: bool,
}

struct Call {
    provider: ProviderId,
    fault: Option<Fault>,
    calls: Arc<Mutex<Vec<Reached>>>,
}

impl Call {
    fn take(&self, stream: TcpStream) {
        if self.fault == Some(Fault::Reset) {
            self.count("", true);
            // Unread bytes make the system answer with a reset.
            let mut byte = [0];
            let _ = (&stream).read(&mut byte);
            return;
        }
        if self.fault == Some(Fault::Tls) {
            let _ = (&stream).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            return;
        }
        let mut reader = BufReader::new(stream);
        let Some(asked) = read(&mut reader, self.provider) else { return };
        // The client may hang up at any time.
        let _ = self.answer(&mut reader.into_inner(), &asked);
    }

    fn count(&self, model: &str, is_billed: bool) {
        self.calls.lock().unwrap().push(Reached { model: model.to_owned(), is_billed });
    }

    fn answer(&self, stream: &mut TcpStream, asked: &Asked) -> std::io::Result<()> {
        let Asked { model, is_streamed } = asked;
        let json = "application/json";
        let error = |status| shapes::error(self.provider, status, "canary-prompt").to_string();
        let mut refuse = |status: u16, headers: &str, body: &str| {
            self.count(model, false);
            send(stream, status, json, headers, body)
        };
        match self.fault {
            None => self.good(stream, asked, End::Stop),
            Some(Fault::Refusal) => self.good(stream, asked, End::Refusal),
            Some(Fault::ContentBlock) => self.good(stream, asked, End::Filtered),
            Some(Fault::Status(status)) => refuse(status, "", &error(status)),
            Some(Fault::Busy(after)) => refuse(429, &format!("retry-after: {after}\r\n"), &error(429)),
            Some(Fault::SpendLimit) => {
                refuse(429, "", &shapes::spend_limit(self.provider).unwrap().to_string())
            }
            Some(Fault::DailyQuota) => {
                refuse(429, "", &shapes::daily_quota(self.provider).unwrap().to_string())
            }
            Some(Fault::Redirect) => refuse(307, "location: https://elsewhere.invalid/\r\n", ""),
            Some(Fault::LongError) => refuse(500, "", &"canary-prompt ".repeat(750_000)),
            Some(Fault::WebPage) => {
                self.count(model, false);
                send(stream, 200, "text/html; charset=utf-8", "", "<html>Sign in to the hotel</html>")
            }
            Some(Fault::MalformedJson) => {
                self.count(model, true);
                let broken = r#"{"model": "a", "choi"#;
                match (is_streamed, self.provider) {
                    (false, _) => send(stream, 200, json, "", broken),
                    (true, ProviderId::Ollama) => {
                        send(stream, 200, "application/x-ndjson", "", &format!("{broken}\n"))
                    }
                    (true, _) => send(stream, 200, "text/event-stream", "", &format!("data: {broken}\n\n")),
                }
            }
            Some(Fault::SlowHeaders) => {
                self.count(model, true);
                thread::sleep(SILENCE);
                Ok(())
            }
            Some(Fault::SlowBody) => {
                self.count(model, true);
                self.head(stream, *is_streamed)?;
                for _ in 0..SILENCE.as_millis() / 40 {
                    // Nothing that ends a line or an event.
                    stream.write_all(if *is_streamed && self.provider != ProviderId::Ollama {
                        b":\n"
                    } else {
                        b" "
                    })?;
                    thread::sleep(Duration::from_millis(40));
                }
                Ok(())
            }
            Some(Fault::Stall | Fault::Cut) => {
                self.count(model, true);
                self.head(stream, *is_streamed)?;
                stream.write_all(self.half(asked).as_bytes())?;
                if self.fault == Some(Fault::Stall) {
                    thread::sleep(SILENCE);
                }
                Ok(())
            }
            Some(Fault::Endless) => {
                self.count(model, true);
                self.head(stream, *is_streamed)?;
                let pieces = shapes::pieces(self.provider, model, &WORDS, End::Stop);
                // The first three may be openings; the fifth is text.
                stream.write_all(pieces.iter().take(4).map(String::as_str).collect::<String>().as_bytes())?;
                for _ in 0..SILENCE.as_millis() / 40 {
                    stream.write_all(self.word(model).as_bytes())?;
                    thread::sleep(Duration::from_millis(40));
                }
                Ok(())
            }
            Some(Fault::Reset | Fault::Tls | Fault::Dns) => Ok(()),
        }
    }

    /// Gives a piece that carries text.
    fn word(&self, model: &str) -> String {
        let pieces = shapes::pieces(self.provider, model, &["word "], End::Stop);
        pieces.into_iter().find(|piece| piece.contains("word ")).unwrap()
    }

    /// Gives the first half of an answer.
    fn half(&self, asked: &Asked) -> String {
        let Asked { model, is_streamed } = asked;
        if *is_streamed {
            let pieces = shapes::pieces(self.provider, model, &WORDS, End::Stop);
            let half = pieces.len() * 2 / 3;
            pieces.into_iter().take(half).collect()
        } else {
            let body = shapes::whole(self.provider, model, &WORDS.concat(), End::Stop).to_string();
            body[..body.len() / 2].to_owned()
        }
    }

    fn head(&self, stream: &mut TcpStream, is_streamed: bool) -> std::io::Result<()> {
        let content_type = match (is_streamed, self.provider) {
            (false, _) => "application/json",
            (true, ProviderId::Ollama) => "application/x-ndjson",
            (true, _) => "text/event-stream",
        };
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n")
    }

    fn good(&self, stream: &mut TcpStream, asked: &Asked, end: End) -> std::io::Result<()> {
        let Asked { model, is_streamed } = asked;
        self.count(model, true);
        let words: &[&str] = if end == End::Filtered { &[] } else { &WORDS };
        self.head(stream, *is_streamed)?;
        if *is_streamed {
            for piece in shapes::pieces(self.provider, model, words, end) {
                stream.write_all(piece.as_bytes())?;
                stream.flush()?;
            }
            Ok(())
        } else {
            stream.write_all(shapes::whole(self.provider, model, &words.concat(), end).to_string().as_bytes())
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, provider: ProviderId) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    if provider == ProviderId::Gemini {
        let name = first.split("/models/").nth(1)?;
        let (model, verb) = name.split_once(':')?;
        return Some(Asked {
            model: model.to_owned(),
            is_streamed: verb.starts_with("streamGenerateContent?alt=sse"),
        });
    }
    Some(Asked { model: body["model"].as_str()?.to_owned(), is_streamed: body["stream"] == true })
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    content_type: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Some Reason\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}",
        body.len()
    )
}
