//! A server that answers what it was told to, and a client that reaches nobody else: both in one thread, over a socket
//! in a folder, so that an exchange takes some ten microseconds and runs the same each time.

use std::cell::OnceCell;
use std::io;
use std::sync::{Arc, Mutex};

use ai_cost_optimizer::providers::http;
use reqwest::Client;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle, Runtime};

/// What the server says next, and what was asked last.
#[derive(Default)]
struct Exchange {
    response: Vec<u8>,
    asked: Vec<u8>,
}

/// The server and its client.
pub(crate) struct Wire {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    exchange: Arc<Mutex<Exchange>>,
    pub(crate) folder: TempDir,
}

/// An answer over HTTP, in chunks that the client sees as they are.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) retry_after: Option<&'a str>,
    pub(crate) chunks: Vec<&'a [u8]>,
}

impl<'a> Answer<'a> {
    pub(crate) fn json(body: &'a [u8]) -> Self {
        Self { status: 200, content_type: "application/json", retry_after: None, chunks: vec![body] }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} X\r\ncontent-type: {}\r\n", self.status, self.content_type);
        if let Some(wait) = self.retry_after {
            bytes.push_str(&format!("retry-after: {wait}\r\n"));
        }
        bytes.push_str("transfer-encoding: chunked\r\n\r\n");
        let mut bytes = bytes.into_bytes();
        for chunk in self.chunks.iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

impl Wire {
    fn new() -> Self {
        // It installs the TLS provider, which no client can be built without.
        http::client().expect("a client can be built");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("socket");
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&path).expect("a socket can be made")
        };
        runtime.spawn(listen(listener, Arc::clone(&exchange)));
        let client = Client::builder().unix_socket(path).tls_certs_only([]).build();
        Self { runtime, client: client.expect("a client can be built"), exchange, folder }
    }

    /// Lends the wire of this thread.
    pub(crate) fn with<T>(look: impl FnOnce(&Self) -> T) -> T {
        thread_local! {
            static WIRE: OnceCell<Wire> = const { OnceCell::new() };
        }
        WIRE.with(|wire| look(wire.get_or_init(Self::new)))
    }

    /// Says what every request from now on is answered with.
    pub(crate) fn answer(&self, answer: &Answer<'_>) {
        self.exchange.lock().expect("nobody panicked").response = answer.bytes();
    }

    /// Gives the body of the request that came last.
    pub(crate) fn asked(&self) -> Vec<u8> {
        self.exchange.lock().expect("nobody panicked").asked.clone()
    }
}

async fn listen(listener: UnixListener, exchange: Arc<Mutex<Exchange>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let exchange = Arc::clone(&exchange);
        Handle::current().spawn(async move {
            // A client that hangs up in the middle of an answer has read enough.
            let _ = converse(stream, &exchange).await;
        });
    }
}

async fn converse(mut stream: UnixStream, exchange: &Mutex<Exchange>) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(body_at) = read.windows(4).position(|four| four == b"\r\n\r\n").map(|place| place + 4)
        else {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let end = body_at + body_length(&read[..body_at]);
        while read.len() < end {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let response = {
            let mut exchange = exchange.lock().expect("nobody panicked");
            exchange.asked = read[body_at..end].to_vec();
            exchange.response.clone()
        };
        read.drain(..end);
        stream.write_all(&response).await?;
    }
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| length.trim().parse().expect("a length is a number"))
}
