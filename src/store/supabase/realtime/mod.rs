//! Whether the user's metrics may have changed: told by Supabase Realtime, or by the clock where it is away.
//!
//! Nobody is connected until somebody wants to know, and the connection ends with the stream.

mod channel;
mod frame;

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until};

use self::channel::{Channel, End};
use self::frame::{Frame, Meaning};
use crate::auth::{Auth, AuthError, Project, UserToken};

/// Each look is a request of the project's.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The same where Realtime tells of rows: only ratings, which it does not tell of, have to wait for it.
const LOOK_EVERY_BESIDE: Duration = Duration::from_secs(60);
/// What changes many times a second is told once a second.
const SPACING: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A channel that lasted so long was a good one: the next is tried at once.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// Gives an item whenever the user's metrics may have changed; it never ends.
pub(super) fn changes(client: Client, project: Project, auth: Auth) -> BoxStream<'static, ()> {
    let now = Instant::now();
    let listener = Listener {
        client,
        project,
        auth,
        channel: None,
        expired: None,
        refused: None,
        failures: 0,
        join_at: now,
        joined_at: now,
        told_at: now,
    };
    stream::unfold(listener, |mut listener| async move {
        listener.wait().await;
        Some(((), listener))
    })
    .boxed()
}

/// Says a message as it would be written, and what it means; `None` for what is no message.
pub(super) fn says(text: &str) -> Option<(String, String)> {
    let frame: Frame = serde_json::from_str(text).ok()?;
    let meaning = match frame.meaning() {
        Meaning::Reply { refusal: Some(reason), .. } | Meaning::Complaint(reason) => {
            format!("{:?}", channel::end_of(&reason))
        }
        Meaning::Reply { refusal: None, .. } => "Granted".to_owned(),
        other => format!("{other:?}"),
    };
    Some((serde_json::to_string(&frame).ok()?, meaning))
}

/// Who listens for one stream.
struct Listener {
    client: Client,
    project: Project,
    auth: Auth,
    channel: Option<Channel>,
    /// A token that Realtime takes no more; another is asked for.
    expired: Option<UserToken>,
    /// A token that Realtime will never take.
    refused: Option<SecretString>,
    failures: u32,
    join_at: Instant,
    joined_at: Instant,
    told_at: Instant,
}

impl Listener {
    /// Waits until there may be something to see.
    async fn wait(&mut self) {
        let soonest = self.told_at + SPACING;
        let started = Instant::now();
        let mut due = started + if self.channel.is_some() { LOOK_EVERY_BESIDE } else { LOOK_EVERY };
        loop {
            let end = match &mut self.channel {
                Some(channel) => tokio::select! {
                    changed = channel.changed(&self.auth) => match changed {
                        Ok(()) => {
                            due = due.min(soonest);
                            continue;
                        }
                        Err(end) => end,
                    },
                    () = sleep_until(due) => break,
                },
                None => tokio::select! {
                    joined = self.join() => match joined {
                        Ok(channel) => {
                            tracing::debug!("Realtime tells of new rows");
                            self.channel = Some(channel);
                            self.joined_at = Instant::now();
                            // Rows may have come while nobody listened.
                            due = due.min(soonest);
                            continue;
                        }
                        Err(end) => end,
                    },
                    () = sleep_until(due) => break,
                },
            };
            self.note(&end);
            due = due.min(Instant::now() + LOOK_EVERY);
        }
        self.told_at = Instant::now();
    }

    /// Joins when the time for it has come, with a token that Realtime may take.
    async fn join(&mut self) -> Result<Channel, End> {
        sleep_until(self.join_at).await;
        let token = match self.expired.take() {
            Some(expired) => self.auth.instead_of(&expired, "expired").await,
            None => self.auth.token().await,
        };
        let token = token.map_err(|error| match error {
            AuthError::Unavailable { problem } => End::Lost(problem),
            other => End::Lost(other.to_string()),
        })?;
        let is_refused = |refused: &SecretString| refused.expose_secret() == token.bearer.expose_secret();
        if self.refused.as_ref().is_some_and(is_refused) {
            return Err(End::Refused("the same token".to_owned()));
        }
        let joined = Channel::join(&self.client, &self.project, &token).await;
        match &joined {
            Err(End::Expired) => self.expired = Some(token),
            Err(End::Refused(_)) => self.refused = Some(token.bearer),
            Ok(_) | Err(End::Lost(_)) => {}
        }
        joined
    }

    /// Notes why there is no channel, and when the next one is tried.
    fn note(&mut self, end: &End) {
        tracing::debug!(?end, "Realtime tells of nothing; the metrics are looked at instead");
        let channel = self.channel.take();
        if channel.is_some() && self.joined_at.elapsed() >= GOOD_AFTER {
            self.failures = 0;
        }
        let pause = match end {
            End::Expired if self.failures == 0 => Duration::ZERO,
            End::Refused(_) => LONGEST_PAUSE,
            End::Expired | End::Lost(_) => {
                (FIRST_PAUSE * 2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE)
            }
        };
        if let (End::Expired, Some(channel)) = (end, channel) {
            self.expired = Some(channel.token().clone());
        }
        self.failures = (self.failures + 1).min(6);
        self.join_at = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 2.0);
    }
}
