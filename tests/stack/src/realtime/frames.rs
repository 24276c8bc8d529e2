//! Messages of Phoenix channels: objects in version 1.0.0 of the serializer, arrays in 2.0.0.

use serde_json::{Value, json};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) join_ref: Value,
    pub(super) reference: Value,
    pub(super) topic: String,
    pub(super) event: String,
    pub(super) payload: Value,
}

impl Frame {
    /// Reads a message; `None` where it is none.
    pub(super) fn read(text: &str, version: Version) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let part = |name: &str, place: usize| {
            let found = match version {
                Version::One => value.get(name),
                Version::Two => value.get(place),
            };
            found.cloned().unwrap_or_default()
        };
        Some(Self {
            join_ref: part("join_ref", 0),
            reference: part("ref", 1),
            topic: part("topic", 2).as_str()?.to_owned(),
            event: part("event", 3).as_str()?.to_owned(),
            payload: part("payload", 4),
        })
    }

    pub(super) fn write(&self, version: Version) -> String {
        let Self { join_ref, reference, topic, event, payload } = self;
        let value = match version {
            Version::One => {
                json!({ "join_ref": join_ref, "ref": reference, "topic": topic, "event": event, "payload": payload })
            }
            Version::Two => json!([join_ref, reference, topic, event, payload]),
        };
        value.to_string()
    }

    /// Makes the reply to this message.
    pub(super) fn reply(&self, status: &str, response: &Value) -> Self {
        let payload = json!({ "status": status, "response": response });
        Self { event: "phx_reply".to_owned(), payload, ..self.clone() }
    }

    /// Makes a message that nobody asked for to the channel of this one.
    pub(super) fn push(&self, event: &str, payload: Value) -> Self {
        Self { reference: Value::Null, event: event.to_owned(), payload, ..self.clone() }
    }
}
