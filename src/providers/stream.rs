//! Answers that arrive in pieces: server-sent events, or one JSON object a line.
//!
//! It knows frames, not what they say. A server that answers in one piece although a stream was asked for is
//! understood; the whole is bounded in bytes and in time, and so is each pause.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::{Decoder, LinesCodec};

use super::error::ProviderError;
use super::http::{self, MAX_ANSWER_BYTES, Refusal, Reply};
use super::{Delivery, ProviderCall};

/// The longest line; a piece of an answer is far shorter.
const MAX_LINE_BYTES: usize = 4 << 20;
/// How long the details after a finished answer, such as its usage, are waited for.
const TAIL_TIMEOUT: Duration = Duration::from_secs(3);

/// How pieces are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `text/event-stream`: the `data:` lines of an event, up to a blank line.
    ServerSentEvents,
    /// `application/x-ndjson`: a JSON object a line.
    JsonLines,
}

/// What came back over HTTP.
pub(super) enum Opened {
    /// In one piece.
    Answer(Vec<u8>),
    Stream(Pieces),
    Refusal(Refusal),
}

/// How much of an answer a piece brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    More,
    /// The answer is complete; details may follow.
    Finish,
    /// Nothing may follow.
    Last,
}

/// Sends a request once, in the way that the call asks for.
pub(super) async fn open(
    request: RequestBuilder,
    call: &ProviderCall,
    framing: Framing,
) -> Result<Opened, ProviderError> {
    if call.delivery == Delivery::Whole {
        return Ok(match http::send(request, call.timeout).await? {
            Reply::Answer(body) => Opened::Answer(body),
            Reply::Refusal(refusal) => Opened::Refusal(refusal),
        });
    }
    let deadline = Instant::now() + call.timeout;
    let patience = call.first_byte_timeout.min(call.timeout);
    let response = timeout_at(Instant::now() + patience, request.send())
        .await
        .map_err(|_| ProviderError::Timeout(patience))?
        .map_err(|error| http::not_answered(&error))?;
    if !response.status().is_success() {
        let soon = deadline.min(Instant::now() + call.gap_timeout);
        return Ok(Opened::Refusal(Refusal::read(response, soon).await));
    }
    let is_whole = http::content_type(&response)?.starts_with("application/json");
    let mut pieces = Pieces {
        response,
        framing,
        lines: LinesCodec::new_with_max_length(MAX_LINE_BYTES),
        buffer: BytesMut::new(),
        bytes: 0,
        is_at_end: false,
        deadline,
        patience: call.first_byte_timeout,
        gap: call.gap_timeout,
    };
    if is_whole { Ok(Opened::Answer(pieces.rest().await?)) } else { Ok(Opened::Stream(pieces)) }
}

/// A stream that is being read.
pub(super) struct Pieces {
    response: Response,
    framing: Framing,
    lines: LinesCodec,
    buffer: BytesMut,
    /// Bytes read so far.
    bytes: usize,
    is_at_end: bool,
    deadline: Instant,
    /// How long the next bytes may take.
    patience: Duration,
    gap: Duration,
}

impl Pieces {
    /// Hands each piece over, until one is the last or the stream ends.
    ///
    /// An answer that has finished is an answer, whatever becomes of the stream after it.
    pub(super) async fn each(
        mut self,
        mut take: impl FnMut(&str) -> Result<Part, ProviderError>,
    ) -> Result<(), ProviderError> {
        let mut is_finished = false;
        loop {
            match self.next().await {
                Ok(Some(piece)) => match take(&piece)? {
                    Part::More => {}
                    Part::Finish => {
                        is_finished = true;
                        self.deadline = self.deadline.min(Instant::now() + TAIL_TIMEOUT);
                    }
                    Part::Last => return Ok(()),
                },
                Ok(None) | Err(_) if is_finished => return Ok(()),
                Ok(None) => return Err(ProviderError::Malformed("a stream that ends too early".into())),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>, ProviderError> {
        let mut data: Option<String> = None;
        while let Some(line) = self.line().await? {
            if self.framing == Framing::JsonLines {
                if !line.trim().is_empty() {
                    return Ok(Some(line));
                }
            } else if line.is_empty() {
                if data.is_some() {
                    return Ok(data);
                }
            } else if let Some(text) = line.strip_prefix("data:") {
                let text = text.strip_prefix(' ').unwrap_or(text);
                match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(text);
                    }
                    None => data = Some(text.to_owned()),
                }
            }
        }
        // The standard drops an event without a blank line behind it; servers forget the line, so it counts here.
        Ok(data)
    }

    async fn line(&mut self) -> Result<Option<String>, ProviderError> {
        loop {
            let decoded = if self.is_at_end {
                self.lines.decode_eof(&mut self.buffer)
            } else {
                self.lines.decode(&mut self.buffer)
            };
            match decoded {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) if self.is_at_end => return Ok(None),
                Ok(None) => {
                    let mut buffer = std::mem::take(&mut self.buffer);
                    let filled = self.fill(&mut buffer).await;
                    self.buffer = buffer;
                    filled?;
                }
                Err(_) => return Err(ProviderError::Malformed("a line that is too long or no text".into())),
            }
        }
    }

    /// Reads the whole body of an answer that comes in one piece.
    async fn rest(&mut self) -> Result<Vec<u8>, ProviderError> {
        let mut body = BytesMut::new();
        while !self.is_at_end {
            self.fill(&mut body).await?;
        }
        Ok(body.into())
    }

    async fn fill(&mut self, buffer: &mut BytesMut) -> Result<(), ProviderError> {
        let patience = self.patience.min(self.deadline.saturating_duration_since(Instant::now()));
        let chunk = timeout_at(Instant::now() + patience, self.response.chunk())
            .await
            .map_err(|_| ProviderError::Timeout(patience))?
            .map_err(|_| http::broken_off())?;
        self.patience = self.gap;
        match chunk {
            Some(chunk) => {
                self.bytes += chunk.len();
                if self.bytes > MAX_ANSWER_BYTES {
                    return Err(ProviderError::Malformed("more than 16 MiB".into()));
                }
                buffer.extend_from_slice(&chunk);
            }
            None => self.is_at_end = true,
        }
        Ok(())
    }
}
