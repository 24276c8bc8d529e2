//! One joined channel: the user's own new rows of `routing_metrics`, over a websocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Client, StatusCode};
use reqwest_websocket::{Error, HandshakeError, Message, Upgrade as _, WebSocket};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{Frame, Meaning};
use crate::auth::{Auth, AuthError, Project, UserToken};

const TOPIC: &str = "realtime:ai-cost-optimizer";
/// How long connecting and joining may take, together.
const JOIN_PATIENCE: Duration = Duration::from_secs(10);
/// How long a message may take to leave.
const SEND_PATIENCE: Duration = Duration::from_secs(5);
/// The server hangs up on a client that is silent for longer than twice this.
const BEAT_EVERY: Duration = Duration::from_secs(25);

/// Why a channel ended, or was never joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The token has expired; another one may do.
    Expired,
    /// It will not be let in with this token, or not to this table.
    Refused(String),
    /// It may be joined later.
    Lost(String),
}

/// A channel that was joined.
pub(super) struct Channel {
    socket: WebSocket,
    token: UserToken,
    /// Names our next message.
    next_reference: u64,
    beat_at: Instant,
    /// The heartbeat that was not answered yet.
    beating: Option<String>,
}

impl Channel {
    /// Connects and joins; `client` must speak HTTP/1.1, which alone can be upgraded.
    pub(super) async fn join(client: &Client, project: &Project, token: &UserToken) -> Result<Self, End> {
        let joined = timeout(JOIN_PATIENCE, async {
            let socket = connect(client, project).await?;
            let mut channel = Self {
                socket,
                token: token.clone(),
                next_reference: 1,
                beat_at: Instant::now() + BEAT_EVERY,
                beating: None,
            };
            let join = channel.message("phx_join", &wishes(token));
            let reference = join.reference.clone();
            channel.send(join).await?;
            loop {
                match channel.read().await? {
                    Meaning::Reply { reference: to, refusal: Some(reason) }
                        if Some(&to) == reference.as_ref() =>
                    {
                        return Err(end_of(&reason));
                    }
                    // The reply comes before the database has been asked.
                    Meaning::Subscribed => return Ok(channel),
                    Meaning::Complaint(problem) => return Err(end_of(&problem)),
                    Meaning::Closed => return Err(End::Lost("closed while joining".to_owned())),
                    Meaning::Reply { .. } | Meaning::Changed | Meaning::Other => {}
                }
            }
        });
        joined.await.unwrap_or_else(|_| Err(End::Lost("no answer to the join".to_owned())))
    }

    /// Gives the token that the channel was joined with, or that was sent to it last.
    pub(super) const fn token(&self) -> &UserToken {
        &self.token
    }

    /// Waits for a row, and keeps the channel open meanwhile: by heartbeats, and by the token that is good then.
    ///
    /// Cancel safe: yes; a message that was being sent when it was dropped leaves with the next one.
    pub(super) async fn changed(&mut self, auth: &Auth) -> Result<(), End> {
        let mut complaint = None;
        loop {
            tokio::select! {
                meaning = read(&mut self.socket) => match meaning? {
                    Meaning::Changed => return Ok(()),
                    Meaning::Reply { reference, refusal: None } => {
                        self.beating.take_if(|beating| *beating == reference);
                    }
                    Meaning::Complaint(problem) => complaint = Some(problem),
                    Meaning::Closed => {
                        return Err(complaint.map_or_else(|| End::Lost("closed".to_owned()), |why| end_of(&why)));
                    }
                    Meaning::Reply { .. } | Meaning::Subscribed | Meaning::Other => {}
                },
                () = sleep_until(self.beat_at) => self.beat(auth).await?,
            }
        }
    }

    async fn beat(&mut self, auth: &Auth) -> Result<(), End> {
        self.beat_at = Instant::now() + BEAT_EVERY;
        if self.beating.is_some() {
            return Err(End::Lost("a heartbeat was not answered".to_owned()));
        }
        let heartbeat = Frame::heartbeat(self.next_reference);
        self.next_reference += 1;
        self.beating.clone_from(&heartbeat.reference);
        self.send(heartbeat).await?;
        let token = match auth.token().await {
            Ok(token) => token,
            // The one that is known may still be good.
            Err(AuthError::Unavailable { .. }) => return Ok(()),
            Err(error) => return Err(End::Lost(error.to_string())),
        };
        if token.bearer.expose_secret() != self.token.bearer.expose_secret() {
            let message =
                self.message("access_token", &json!({ "access_token": token.bearer.expose_secret() }));
            self.token = token;
            self.send(message).await?;
        }
        Ok(())
    }

    /// Makes a message of ours on the channel.
    fn message(&mut self, event: &str, payload: &Value) -> Frame {
        let reference = self.next_reference;
        self.next_reference += 1;
        Frame {
            topic: TOPIC.to_owned(),
            event: event.to_owned(),
            payload: payload.clone(),
            reference: Some(reference.to_string()),
            join_ref: Some("1".to_owned()),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        let text = serde_json::to_string(&frame).map_err(|_| End::Refused("unsendable".to_owned()))?;
        match timeout(SEND_PATIENCE, self.socket.send(Message::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Lost("the connection broke".to_owned())),
            Err(_) => Err(End::Lost("nothing can be sent".to_owned())),
        }
    }

    async fn read(&mut self) -> Result<Meaning, End> {
        read(&mut self.socket).await
    }
}

/// Reads the next message of a channel.
async fn read(socket: &mut WebSocket) -> Result<Meaning, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                // What cannot be read is not for us.
                return Ok(
                    serde_json::from_str::<Frame>(&text).map_or(Meaning::Other, |frame| frame.meaning())
                );
            }
            Some(Ok(Message::Close { .. })) | None => return Err(End::Lost("hung up".to_owned())),
            Some(Ok(_)) => {}
            Some(Err(_)) => return Err(End::Lost("the connection broke".to_owned())),
        }
    }
}

/// Opens the websocket. The project's key, which is public, is the only thing in its address.
async fn connect(client: &Client, project: &Project) -> Result<WebSocket, End> {
    let mut url = project.endpoint(&["realtime", "v1", "websocket"]);
    url.query_pairs_mut().append_pair("apikey", project.public_key()).append_pair("vsn", "1.0.0");
    let response = client.get(url).upgrade().send().await.map_err(|error| not_connected(&error))?;
    response.into_websocket().await.map_err(|error| not_connected(&error))
}

fn not_connected(error: &Error) -> End {
    match error {
        Error::Handshake(HandshakeError::UnexpectedStatusCode(status))
            if status.is_client_error()
                && *status != StatusCode::TOO_MANY_REQUESTS
                && *status != StatusCode::REQUEST_TIMEOUT =>
        {
            End::Refused(format!("http{}", status.as_u16()))
        }
        Error::Handshake(HandshakeError::UnexpectedStatusCode(status)) => {
            End::Lost(format!("http{}", status.as_u16()))
        }
        _ => End::Lost("not reachable".to_owned()),
    }
}

/// Asks for the user's own new rows; row-level security gives no others anyway.
fn wishes(token: &UserToken) -> Value {
    json!({
        "config": {
            "broadcast": { "ack": false, "self": false },
            "presence": { "key": "", "enabled": false },
            "postgres_changes": [{
                "event": "INSERT",
                "schema": "public",
                "table": "routing_metrics",
                "filter": format!("user_id=eq.{}", token.user),
            }],
            "private": false,
        },
        "access_token": token.bearer.expose_secret(),
    })
}

/// Reads a refusal by its first words; what follows may tell of anything and is left out.
pub(super) fn end_of(reason: &str) -> End {
    if reason.contains("InvalidJWTExpiration") || reason.contains("Token has expired") {
        return End::Expired;
    }
    let code: String = reason.chars().take_while(char::is_ascii_alphanumeric).take(40).collect();
    match code.as_str() {
        "MalformedJWT" | "JwtSignatureError" | "JwtSignerError" | "InvalidJWTToken" | "Unauthorized"
        | "Unable" => End::Refused(code),
        _ => End::Lost(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_first_word() {
        let check = |reason: &str, expected: End| assert_eq!(end_of(reason), expected, "{reason}");
        let (lost, refused) =
            (|code: &str| End::Lost(code.to_owned()), |code: &str| End::Refused(code.to_owned()));
        check("InvalidJWTExpiration: Token has expired 3 seconds ago", End::Expired);
        check("Token has expired 0 seconds ago", End::Expired);
        check("JwtSignatureError: Failed to validate JWT signature", refused("JwtSignatureError"));
        check("MalformedJWT: The token provided is not a valid JWT", refused("MalformedJWT"));
        check("Unauthorized: You do not have permissions, canary", refused("Unauthorized"));
        check("Unable to subscribe to changes with given parameters", refused("Unable"));
        check("RealtimeRestarting: Realtime is restarting, please standby", lost("RealtimeRestarting"));
        check("", lost(""));
    }
}
