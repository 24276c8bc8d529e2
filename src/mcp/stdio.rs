//! JSON-RPC messages as lines on stdin and stdout.
//!
//! Differs from rmcp's own transport in one thing: a line that cannot be read is answered with an error, with
//! the id of its request where that can be made out, so that no client waits for an answer that never comes.

use std::io;

use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// The longest line; a longer one is skipped and answered with an error.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Messages that may wait for a client that does not read.
const OUT_QUEUE: usize = 1_024;
/// Memory that a long line may leave behind for the next.
const KEPT_CAPACITY: usize = 64 * 1024;

type Line = (Vec<u8>, Option<oneshot::Sender<io::Result<()>>>);

/// stdin and stdout, or what stands in their place, as a transport.
pub(super) struct Stdio<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// The rest of a line that is too long is being skipped.
    is_skipping: bool,
    output: mpsc::Sender<Line>,
    writer: TaskTracker,
}

impl<R: AsyncRead + Send + Unpin> Stdio<R> {
    pub(super) fn new(input: R, stdout: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (output, lines) = mpsc::channel(OUT_QUEUE);
        let writer = TaskTracker::new();
        writer.spawn(write_lines(lines, stdout));
        writer.close();
        Self { input: BufReader::new(input), line: Vec::new(), is_skipping: false, output, writer }
    }

    /// Reads up to the end of a line; `None` at the end of input.
    ///
    /// Cancel safe: yes, because what was read so far stays in `self.line`.
    async fn next_line(&mut self) -> Option<Result<(), TooLong>> {
        loop {
            let available = match self.input.fill_buf().await {
                Ok([]) => return None,
                Ok(available) => available,
                Err(error) => {
                    tracing::error!(%error, "stdin cannot be read");
                    return None;
                }
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |place| place + 1);
            let fits = self.line.len() + taken <= MAX_LINE;
            if fits && !self.is_skipping {
                self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
            }
            self.input.consume(taken);
            let was_skipping = self.is_skipping;
            self.is_skipping = !fits || was_skipping;
            if !fits {
                self.line = Vec::new();
            }
            if end.is_some() {
                let is_too_long = std::mem::take(&mut self.is_skipping);
                return Some(if is_too_long { Err(TooLong) } else { Ok(()) });
            }
        }
    }

    fn refuse(&self, id: Option<RequestId>, code: ErrorCode, problem: String) {
        let message = TxJsonRpcMessage::<RoleServer>::error(ErrorData::new(code, problem, None), id);
        // A client that reads nothing gets no complaint either.
        if let Ok(line) = to_line(&message) {
            let _ = self.output.try_send((line, None));
        }
    }
}

struct TooLong;

impl<R: AsyncRead + Send + Unpin> Transport<RoleServer> for Stdio<R> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move {
            let (written, done) = oneshot::channel();
            let closed = || io::Error::new(io::ErrorKind::BrokenPipe, "stdout is closed");
            output.send((to_line(&message)?, Some(written))).await.map_err(|_| closed())?;
            done.await.map_err(|_| closed())?
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if self.next_line().await?.is_err() {
                self.refuse(
                    None,
                    ErrorCode::INVALID_REQUEST,
                    format!("the message is longer than {MAX_LINE} bytes"),
                );
                continue;
            }
            let parsed = parse(&self.line);
            self.line.clear();
            self.line.shrink_to(KEPT_CAPACITY);
            match parsed {
                Parsed::Message(message) => return Some(*message),
                Parsed::Ignored => {}
                Parsed::Refused { id, code, problem } => self.refuse(id, code, problem),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        let (closed, _) = mpsc::channel(1);
        self.output = closed;
        self.writer.wait().await;
        Ok(())
    }
}

enum Parsed {
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    /// A blank line, or a notification of another protocol.
    Ignored,
    Refused {
        id: Option<RequestId>,
        code: ErrorCode,
        problem: String,
    },
}

fn parse(line: &[u8]) -> Parsed {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Parsed::Ignored;
    }
    let error = match serde_json::from_slice(line) {
        Ok(message) => return Parsed::Message(Box::new(message)),
        Err(error) => error,
    };
    match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(object)) => {
            // Notifications are never answered.
            let Some(id) = object.get("id") else { return Parsed::Ignored };
            let id = serde_json::from_value(id.clone()).ok();
            let problem = "not a JSON-RPC 2.0 request of this protocol".to_owned();
            Parsed::Refused { id, code: ErrorCode::INVALID_REQUEST, problem }
        }
        Ok(_) => Parsed::Refused {
            id: None,
            code: ErrorCode::INVALID_REQUEST,
            problem: "a message is one JSON object; batches are not supported".to_owned(),
        },
        Err(_) => {
            let id = serde_json::from_slice::<OnlyId>(line).ok().and_then(|only| only.id);
            // The error's words name a place, never the text.
            let problem = format!("not valid JSON: {error}");
            Parsed::Refused { id, code: ErrorCode::PARSE_ERROR, problem }
        }
    }
}

/// A request of which only the id matters; a text with a lone surrogate is skipped without being read.
#[derive(Deserialize)]
struct OnlyId {
    id: Option<RequestId>,
}

fn to_line(message: &TxJsonRpcMessage<RoleServer>) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

async fn write_lines(mut lines: mpsc::Receiver<Line>, mut stdout: impl AsyncWrite + Unpin) {
    while let Some((line, written)) = lines.recv().await {
        let result = match stdout.write_all(&line).await {
            Ok(()) => stdout.flush().await,
            Err(error) => Err(error),
        };
        let is_broken = result.is_err();
        if let Some(written) = written {
            // The sender may have been dropped; the line is out.
            let _ = written.send(result);
        }
        if is_broken {
            tracing::error!("stdout cannot be written");
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match parse(line.as_bytes()) {
            Parsed::Message(_) => "message".to_owned(),
            Parsed::Ignored => "ignored".to_owned(),
            Parsed::Refused { id, code, .. } => {
                format!("{} {}", code.0, serde_json::to_string(&id).unwrap())
            }
        };
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_answered_where_anybody_waits() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "message");
        check("", "ignored");
        check(r#"{"jsonrpc":"2.0","method":"$/setTrace","params":[1]}"#, "ignored");
        check("{", "-32700 null");
        check(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "-32600 null");
        check(r#"{"id":7,"method":"ping"}"#, "-32600 7");
        check(
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"route_prompt","arguments":{"prompt":"\ud800"}}}"#,
            r#"-32700 "a""#,
        );
    }
}
