//! Messages of Phoenix channels, as version 1.0.0 of their serializer writes them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The topic of heartbeats.
const PHOENIX: &str = "phoenix";

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Frame {
    pub(super) topic: String,
    pub(super) event: String,
    #[serde(default)]
    pub(super) payload: Value,
    /// Names a message of ours, and then its reply.
    #[serde(rename = "ref", default)]
    pub(super) reference: Option<String>,
    /// Names the join that a message belongs to.
    #[serde(default)]
    pub(super) join_ref: Option<String>,
}

impl Frame {
    pub(super) fn heartbeat(reference: u64) -> Self {
        Self {
            topic: PHOENIX.to_owned(),
            event: "heartbeat".to_owned(),
            payload: json!({}),
            reference: Some(reference.to_string()),
            join_ref: None,
        }
    }
}

/// What a message means to the channel that it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The reply to one of our messages, and whether it was granted.
    Reply {
        reference: String,
        refusal: Option<String>,
    },
    /// The changes of the table are sent from now on.
    Subscribed,
    /// A row that we may see has come.
    Changed,
    /// The server explains why it closes the channel, or why it sends no changes.
    Complaint(String),
    Closed,
    Other,
}

impl Frame {
    /// Reads what a message means.
    pub(super) fn meaning(&self) -> Meaning {
        let text = |pointer: &str| self.payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        match self.event.as_str() {
            "phx_reply" => {
                let reason = text("/response/reason").to_owned();
                Meaning::Reply {
                    reference: self.reference.clone().unwrap_or_default(),
                    refusal: (text("/status") != "ok").then_some(reason),
                }
            }
            "system" if text("/status") != "ok" => Meaning::Complaint(text("/message").to_owned()),
            "system" if text("/extension") == "postgres_changes" => Meaning::Subscribed,
            "postgres_changes" => Meaning::Changed,
            "phx_close" | "phx_error" => Meaning::Closed,
            _ => Meaning::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_by_its_event_and_status() {
        let check = |text: &str, expected: Meaning| {
            assert_eq!(serde_json::from_str::<Frame>(text).unwrap().meaning(), expected, "{text}");
        };
        let reply = |refusal: Option<&str>| Meaning::Reply {
            reference: "1".to_owned(),
            refusal: refusal.map(str::to_owned),
        };
        check(
            r#"{"topic":"t","event":"phx_reply","ref":"1","payload":{"status":"ok","response":{}}}"#,
            reply(None),
        );
        check(
            r#"{"topic":"t","event":"phx_reply","ref":"1","payload":{"status":"error","response":{"reason":"No"}}}"#,
            reply(Some("No")),
        );
        let system = r#"{"topic":"t","event":"system","ref":null,"payload":{"status":"ok","message":"Subscribed to PostgreSQL","extension":"postgres_changes"}}"#;
        check(system, Meaning::Subscribed);
        check(
            &system.replace("\"ok\"", "\"error\""),
            Meaning::Complaint("Subscribed to PostgreSQL".to_owned()),
        );
        check(r#"{"topic":"t","event":"postgres_changes","payload":{"ids":[1]}}"#, Meaning::Changed);
        check(r#"{"topic":"t","event":"phx_close"}"#, Meaning::Closed);
        check(r#"{"topic":"t","event":"presence_state","payload":{}}"#, Meaning::Other);
    }

    #[test]
    fn a_heartbeat_is_written_as_phoenix_reads_it() {
        let text = serde_json::to_string(&Frame::heartbeat(7)).unwrap();
        assert_eq!(text, r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7","join_ref":null}"#);
    }
}
