//! The golden ledger as a server: it gives each line's answer to whoever asks under the line's number.
//!
//! It knows nothing of the program; that the program reads these tokens too is tested beside its other tests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde::Deserialize;
use serde_json::Value;

const FILES: [&str; 6] = ["anthropic", "gemini", "cerebras", "openrouter", "openai_compatible", "ollama"];

/// What of a line concerns tokens.
#[derive(Debug, Deserialize)]
pub struct Line {
    pub name: String,
    pub shapes: Vec<String>,
    pub provider: String,
    pub model: String,
    pub status: u16,
    pub body: Option<Value>,
    pub stream: Option<Vec<Value>>,
    pub usage: Option<Tokens>,
    pub error: Option<String>,
}

/// Tokens in the program's convention: each part is in its whole.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(default)]
pub struct Tokens {
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub cache_write_tokens: u64,
    pub cache_write_1h_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

impl Line {
    pub fn is(&self, shape: &str) -> bool {
        self.shapes.iter().any(|own| own == shape)
    }

    /// Gives the type and the bytes of the answer.
    fn answer(&self) -> (&'static str, String) {
        let written = |piece: &Value| match piece {
            Value::String(text) => text.clone(),
            _ => piece.to_string(),
        };
        let Some(pieces) = &self.stream else {
            return ("application/json", self.body.as_ref().map(written).unwrap_or_default());
        };
        if self.provider == "ollama" {
            return ("application/x-ndjson", pieces.iter().map(|piece| written(piece) + "\n").collect());
        }
        let event = |piece: &Value| match piece.get("type").and_then(Value::as_str) {
            Some(kind) => format!("event: {kind}\ndata: {}\n\n", written(piece)),
            None => format!("data: {}\n\n", written(piece)),
        };
        ("text/event-stream", pieces.iter().map(event).collect())
    }
}

/// Reads the ledger.
pub fn lines() -> io::Result<Vec<Line>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ledger");
    let mut lines = Vec::new();
    for name in FILES {
        let text = std::fs::read_to_string(folder.join(name).with_extension("jsonl"))?;
        for line in text.lines() {
            lines.push(serde_json::from_str(line)?);
        }
    }
    Ok(lines)
}

/// Serves the answers until the program ends, and gives the URL to put a line's number behind.
pub fn serve(lines: Arc<Vec<Line>>) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up early has read enough.
            let _ = answer(stream, &lines);
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream, lines: &[Line]) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None => break,
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    let number = first.split('/').nth(1).and_then(|number| number.parse::<usize>().ok());
    let line = number.and_then(|number| lines.get(number));
    let line = line.ok_or_else(|| io::Error::other("no line has this number"))?;
    let (kind, body) = line.answer();
    write!(
        stream,
        "HTTP/1.1 {} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        line.status,
        body.len()
    )
}
