//! A client of Realtime: joins channels and keeps what it hears.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use supabase_stack::stack::Stack;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The channel of those who need one.
pub(super) const TOPIC: &str = "realtime:metrics";

pub(super) struct Listener {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// All that was heard, as it came.
    pub(super) heard: Vec<Value>,
    next: u64,
}

impl Listener {
    pub(super) async fn connect(stack: &Stack) -> Self {
        let url = stack.url.replace("http", "ws");
        let url = format!("{url}/realtime/v1/websocket?apikey={}&vsn=1.0.0", stack.key);
        let (socket, _) = connect_async(url).await.unwrap();
        Self { socket, heard: Vec::new(), next: 1 }
    }

    /// Connects and joins a channel.
    pub(super) async fn subscribed(stack: &Stack, token: &str, wish: &Value) -> Self {
        let mut listener = Self::connect(stack).await;
        assert_eq!(listener.join(TOPIC, Some(token), wish).await, Joined::Subscribed);
        listener
    }

    /// Joins a channel with a wish, or several.
    pub(super) async fn join(&mut self, topic: &str, token: Option<&str>, wish: &Value) -> Joined {
        let wishes = if wish.is_array() { wish.clone() } else { json!([wish]) };
        let mut payload =
            json!({ "config": { "postgres_changes": wishes, "private": topic.contains("private") } });
        if let Some(token) = token {
            payload["access_token"] = json!(token);
        }
        let reference = self.send(topic, "phx_join", &payload).await;
        let reply =
            self.wait(|heard| heard["event"] == "phx_reply" && heard["ref"] == reference.as_str()).await;
        let reply = reply.unwrap_or_else(|| panic!("no answer to the join of {topic}"));
        if reply["payload"]["status"] != "ok" {
            return Joined::Refused(reply["payload"]["response"]["reason"].to_string());
        }
        let told = self.wait(|heard| heard["event"] == "system" && heard["topic"] == topic).await.unwrap();
        match told["payload"]["status"].as_str() {
            Some("ok") => Joined::Subscribed,
            _ => Joined::Unsubscribed(told["payload"]["message"].to_string()),
        }
    }

    pub(super) async fn send(&mut self, topic: &str, event: &str, payload: &Value) -> String {
        let reference = self.next.to_string();
        self.next += 1;
        let frame =
            json!({ "topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": "1" });
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
        reference
    }

    /// Waits for something that was not heard before.
    pub(super) async fn wait(&mut self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + PATIENCE;
        while let Ok(Some(Ok(message))) = timeout(end - Instant::now(), self.socket.next()).await {
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap();
                self.heard.push(frame.clone());
                if is_it(&frame) {
                    return Some(frame);
                }
            }
        }
        None
    }

    /// Waits for a row of the channel that was written or deleted.
    pub(super) async fn change(&mut self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let frame =
            self.wait(|heard| heard["event"] == "postgres_changes" && is_it(&heard["payload"]["data"])).await;
        frame.map(|frame| frame["payload"]["data"].clone())
    }

    /// Hears all that has been sent.
    pub(super) async fn catch_up(&mut self) {
        let reference = self.send("phoenix", "heartbeat", &json!({})).await;
        self.wait(|heard| heard["ref"] == reference.as_str()).await.expect("the socket is open");
    }

    /// The rows that were heard of.
    pub(super) fn changes(&self) -> Vec<&Value> {
        let changes = self.heard.iter().filter(|heard| heard["event"] == "postgres_changes");
        changes.map(|heard| &heard["payload"]["data"]).collect()
    }

    /// Those that were written; of those that were deleted everybody hears, whoever deleted them.
    pub(super) fn written(&self) -> Vec<&Value> {
        self.changes().into_iter().filter(|data| data["type"] != "DELETE").collect()
    }

    /// All that was heard, as one text.
    pub(super) fn said(&self) -> String {
        Value::from(self.heard.clone()).to_string()
    }
}

/// What became of a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Joined {
    Subscribed,
    /// In the channel, and with no rows to hear of.
    Unsubscribed(String),
    Refused(String),
}
