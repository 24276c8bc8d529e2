//! A stub of Supabase Realtime: changes of rows over Phoenix channels.
//!
//! Each row is looked up as its subscriber before it is sent, so a table that shows too much is found out. As with the
//! real one, the keys of deleted rows go to everybody, and a role that may not read a table hears that it was written.

mod changes;
mod frames;
mod subscriptions;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::any;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use self::changes::Told;
use self::frames::{Frame, Version};
use self::subscriptions::Subscription;
use crate::auth::Auth;
use crate::keys::unix_seconds;
use crate::project::Project;
use crate::session::Session;

/// What reaches every socket.
#[derive(Debug, Clone)]
enum Event {
    Changed(Arc<Value>),
    /// The server goes away, as when it is restarted.
    Closed,
}

/// The stub's state.
#[derive(Debug, Clone)]
pub struct Realtime {
    auth: Arc<Auth>,
    database: sqlx::postgres::PgConnectOptions,
    events: broadcast::Sender<Event>,
}

impl Realtime {
    /// Cuts all sockets.
    pub fn close_all(&self) {
        let _ = self.events.send(Event::Closed);
    }
}

/// Starts to listen to the database; gives the routes below `/realtime/v1`.
pub(crate) async fn start(
    project: &Project,
    auth: Arc<Auth>,
    tasks: &mut JoinSet<()>,
) -> io::Result<(Realtime, Router)> {
    changes::install(project).await.map_err(|refusal| io::Error::other(refusal.message))?;
    let mut listener = PgListener::connect(&project.url("postgres")).await.map_err(io::Error::other)?;
    listener.listen(changes::CHANNEL).await.map_err(io::Error::other)?;
    let (events, _) = broadcast::channel(1_024);
    let realtime = Realtime { auth, database: project.options("authenticator"), events: events.clone() };
    tasks.spawn(async move {
        loop {
            let Ok(notification) = listener.recv().await else {
                // The database is away; the listener connects again.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Ok(change) = serde_json::from_str(notification.payload()) {
                let _ = events.send(Event::Changed(Arc::new(change)));
            }
        }
    });
    let router = Router::new().route("/websocket", any(upgrade)).with_state(realtime.clone());
    Ok((realtime, router))
}

async fn upgrade(
    State(realtime): State<Realtime>,
    Query(query): Query<HashMap<String, String>>,
    socket: WebSocketUpgrade,
) -> Response {
    let version =
        if query.get("vsn").is_some_and(|vsn| vsn == "2.0.0") { Version::Two } else { Version::One };
    socket.on_upgrade(move |socket| async move {
        let events = realtime.events.subscribe();
        if let Ok(session) = Session::connect(&realtime.database).await {
            let connection = Connection { realtime, version, socket, session, channels: HashMap::new() };
            connection.run(events).await;
        }
    })
}

/// One client.
struct Connection {
    realtime: Realtime,
    version: Version,
    socket: WebSocket,
    session: Session,
    channels: HashMap<String, Channel>,
}

/// One channel that a client has joined.
struct Channel {
    join: Frame,
    claims: Value,
    subscriptions: Vec<Subscription>,
}

impl Connection {
    async fn run(mut self, mut events: broadcast::Receiver<Event>) {
        let mut clock = tokio::time::interval(Duration::from_millis(250));
        loop {
            let is_alive = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => match Frame::read(&text, self.version) {
                        Some(frame) => self.hear(&frame).await,
                        None => true,
                    },
                    Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                    Some(Ok(_)) => true,
                },
                event = events.recv() => match event {
                    Ok(Event::Changed(change)) => self.tell(&change).await,
                    Ok(Event::Closed) | Err(broadcast::error::RecvError::Closed) => false,
                    Err(broadcast::error::RecvError::Lagged(_)) => true,
                },
                _ = clock.tick() => self.close_expired().await,
            };
            if !is_alive {
                return;
            }
        }
    }

    async fn send(&mut self, frame: &Frame) -> bool {
        self.socket.send(Message::Text(frame.write(self.version).into())).await.is_ok()
    }

    async fn hear(&mut self, frame: &Frame) -> bool {
        match frame.event.as_str() {
            "heartbeat" => self.send(&frame.reply("ok", &json!({}))).await,
            "phx_join" => self.join(frame).await,
            "phx_leave" => {
                let was_joined = self.channels.remove(&frame.topic);
                let left = self.send(&frame.reply("ok", &json!({}))).await;
                match was_joined {
                    Some(channel) => self.send(&channel.join.push("phx_close", json!({}))).await && left,
                    None => left,
                }
            }
            "access_token" => {
                let token = frame.payload.get("access_token").and_then(Value::as_str);
                // A key of the new kind is no token.
                let Some(token) = token.filter(|token| !token.starts_with("sb_")) else { return true };
                let claims = match self.realtime.auth.keys.verify(token) {
                    Ok(claims) => claims,
                    Err(problem) => return self.close(&frame.topic.clone(), &explained(problem)).await,
                };
                match self.channels.remove(&frame.topic) {
                    Some(channel) => self.subscribe(channel.join, claims).await,
                    None => true,
                }
            }
            _ => true,
        }
    }

    async fn join(&mut self, frame: &Frame) -> bool {
        let token = frame.payload.get("access_token").and_then(Value::as_str);
        // A key of the new kind is no token; who sends none is nobody.
        let claims = match token.filter(|token| !token.starts_with("sb_")) {
            None => json!({ "role": "anon" }),
            Some(token) => match self.realtime.auth.keys.verify(token) {
                Ok(claims) => claims,
                Err(problem) => {
                    return self.send(&frame.reply("error", &json!({ "reason": explained(problem) }))).await;
                }
            },
        };
        let config = frame.payload.get("config").cloned().unwrap_or_default();
        let topic = frame.topic.trim_start_matches("realtime:").to_owned();
        if config.get("private").and_then(Value::as_bool) == Some(true) {
            let reason =
                format!("Unauthorized: You do not have permissions to read from this Channel topic: {topic}");
            return self.send(&frame.reply("error", &json!({ "reason": reason }))).await;
        }
        let wishes = wishes(frame);
        self.send(&frame.reply("ok", &json!({ "postgres_changes": wishes }))).await
            && self.subscribe(frame.clone(), claims).await
    }

    /// Grants all wishes of a channel or none, and says so.
    async fn subscribe(&mut self, join: Frame, claims: Value) -> bool {
        let wishes = wishes(&join);
        let mut subscriptions = Vec::new();
        let mut problem = None;
        for wish in &wishes {
            let id = wish.get("id").and_then(Value::as_u64).unwrap_or_default();
            match Subscription::open(&mut self.session, &claims, wish, id).await {
                Ok(subscription) => subscriptions.push(subscription),
                Err(found) => problem = Some(found),
            }
        }
        if problem.is_some() {
            subscriptions.clear();
        }
        let (status, message) = match &problem {
            None => ("ok", "Subscribed to PostgreSQL"),
            Some(problem) => ("error", problem.as_str()),
        };
        let payload = json!({
            "status": status, "message": message, "extension": "postgres_changes",
            "channel": join.topic.trim_start_matches("realtime:"),
        });
        let told = join.push("system", payload);
        self.channels.insert(join.topic.clone(), Channel { join, claims, subscriptions });
        wishes.is_empty() || self.send(&told).await
    }

    async fn tell(&mut self, change: &Value) -> bool {
        let mut frames = Vec::new();
        // Channels of the same claims are told the same.
        let mut answers: Vec<(&Value, Told)> = Vec::new();
        for channel in self.channels.values() {
            let about: Vec<_> =
                channel.subscriptions.iter().filter(|subscription| subscription.is_about(change)).collect();
            if about.is_empty() {
                continue;
            }
            if !answers.iter().any(|(claims, _)| **claims == channel.claims) {
                let told = changes::told(&mut self.session, &channel.claims, change).await;
                answers.push((&channel.claims, told));
            }
            let told = answers.iter().find(|(claims, _)| **claims == channel.claims).map(|(_, told)| told);
            let (data, passing) = match told {
                None | Some(Told::Nothing) => continue,
                Some(Told::Only(data)) => (data, about),
                Some(Told::Row(data)) => {
                    let mut passing = Vec::new();
                    for subscription in about {
                        if subscription.passes(&mut self.session, change).await {
                            passing.push(subscription);
                        }
                    }
                    (data, passing)
                }
            };
            let ids: Vec<u64> = passing.iter().map(|subscription| subscription.id).collect();
            if !ids.is_empty() {
                frames.push(channel.join.push("postgres_changes", json!({ "ids": ids, "data": data })));
            }
        }
        for frame in frames {
            if !self.send(&frame).await {
                return false;
            }
        }
        true
    }

    async fn close_expired(&mut self) -> bool {
        let now = unix_seconds();
        let is_over = |channel: &Channel| {
            channel.claims.get("exp").and_then(Value::as_u64).is_some_and(|expires_at| expires_at <= now)
        };
        let over: Vec<String> = self
            .channels
            .iter()
            .filter(|(_, channel)| is_over(channel))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in over {
            if !self.close(&topic, "Token has expired 0 seconds ago").await {
                return false;
            }
        }
        true
    }

    async fn close(&mut self, topic: &str, message: &str) -> bool {
        let Some(channel) = self.channels.remove(topic) else { return true };
        let payload = json!({
            "status": "error", "message": message, "extension": "system",
            "channel": topic.trim_start_matches("realtime:"),
        });
        self.send(&channel.join.push("system", payload)).await
            && self.send(&channel.join.push("phx_close", json!({}))).await
    }
}

/// What a channel wants to hear of, each wish with an id.
fn wishes(join: &Frame) -> Vec<Value> {
    let wanted = join.payload.pointer("/config/postgres_changes").and_then(Value::as_array);
    let mut wishes = wanted.cloned().unwrap_or_default();
    for (place, wish) in wishes.iter_mut().enumerate() {
        if let Some(fields) = wish.as_object_mut() {
            fields.insert("id".to_owned(), json!(10_000_000 + place));
        }
    }
    wishes
}

fn explained(problem: &str) -> String {
    match problem {
        "InvalidJWTExpiration" => "InvalidJWTExpiration: Token has expired 1 seconds ago".to_owned(),
        "JwtSignatureError" => "JwtSignatureError: Failed to validate JWT signature".to_owned(),
        "InvalidJWTToken" => "InvalidJWTToken: Fields `role` and `exp` are required in JWT".to_owned(),
        other => format!("{other}: The token provided is not a valid JWT"),
    }
}
