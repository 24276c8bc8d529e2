//! Subscriptions to `metrics://…`: who wants to hear of changes, and the one look-out for all of them.
//!
//! The store's revision says that somebody wrote, this process or another; only then the metrics that somebody
//! wants are read again, and only what differs is told. Nobody subscribed: nothing is read. Clients of before
//! 2026 subscribe a resource at a time; later ones hold a `subscriptions/listen` open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::StreamExt as _;
use rmcp::model::{ErrorCode, ResourceUpdatedNotificationParam};
use rmcp::service::{Peer, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::metrics::Metric;
use crate::pipeline::Pipeline;
use crate::store::StoreError;

/// Streams that may be open at once; a client needs one.
const MAX_LISTENERS: usize = 32;

/// How often each metric has changed since somebody first wanted it.
pub(super) type Changes = BTreeMap<Metric, u64>;

#[derive(Default)]
struct Watched {
    /// What was last read of each metric that somebody wants.
    contents: BTreeMap<Metric, Value>,
    legacy: BTreeSet<Metric>,
    listeners: Vec<BTreeSet<Metric>>,
}

impl Watched {
    fn is_wanted(&self, metric: Metric) -> bool {
        self.legacy.contains(&metric) || self.listeners.iter().any(|metrics| metrics.contains(&metric))
    }

    fn forget_unwanted(&mut self) {
        let mut contents = std::mem::take(&mut self.contents);
        contents.retain(|metric, _| self.is_wanted(*metric));
        self.contents = contents;
    }
}

/// All subscriptions of one conversation.
pub(super) struct Subscriptions {
    watched: Mutex<Watched>,
    /// Somebody subscribed, or does not any more.
    has_news: Notify,
    changes: watch::Sender<Changes>,
    /// Cancelled when the client hangs up or the process stops: open streams then end with a result.
    pub(super) ended: CancellationToken,
}

impl Subscriptions {
    pub(super) fn new(ended: CancellationToken) -> Self {
        Self { watched: Mutex::default(), has_news: Notify::new(), changes: watch::Sender::default(), ended }
    }

    /// Subscribes a client of before 2026 to a resource.
    pub(super) async fn subscribe(&self, uri: &str, pipeline: &Pipeline) -> Result<(), ErrorData> {
        let metric = known(uri)?;
        let contents = read(metric, pipeline).await.map_err(|error| failed(&error))?;
        let mut watched = self.watched();
        watched.legacy.insert(metric);
        watched.contents.entry(metric).or_insert(contents);
        self.has_news.notify_one();
        Ok(())
    }

    /// Ends what [`Subscriptions::subscribe`] began; what never began is ended as well.
    pub(super) fn unsubscribe(&self, uri: &str) -> Result<(), ErrorData> {
        let metric = known(uri)?;
        let mut watched = self.watched();
        watched.legacy.remove(&metric);
        watched.forget_unwanted();
        self.has_news.notify_one();
        Ok(())
    }

    /// Notes the wishes of a stream and reads what later contents are compared with; the wishes hold until the
    /// result is dropped. URIs that there are not are passed over, unless there are no others.
    pub(super) async fn join(
        &self,
        uris: impl Iterator<Item = &String>,
        pipeline: &Pipeline,
    ) -> Result<Listening<'_>, ErrorData> {
        let (mut metrics, mut problem) = (BTreeSet::new(), None);
        for uri in uris {
            match known(uri) {
                Ok(metric) => {
                    metrics.insert(metric);
                }
                Err(error) => {
                    // The code that clients of 2026 know for it; rmcp words it so for every other method.
                    let error = ErrorData { code: ErrorCode::INVALID_PARAMS, ..error };
                    problem = problem.or(Some(error));
                }
            }
        }
        if let (true, Some(problem)) = (metrics.is_empty(), problem) {
            return Err(problem);
        }
        let told = self.changes.borrow().clone();
        let listening = Listening { subscriptions: self, metrics: metrics.clone(), told };
        let count = {
            let mut watched = self.watched();
            watched.listeners.push(metrics.clone());
            watched.listeners.len()
        };
        // Dropping the stream takes its wishes back, here and wherever it ends.
        if count > MAX_LISTENERS {
            let problem =
                format!("{MAX_LISTENERS} streams are open; hint: cancel one, or list more URIs in one");
            return Err(ErrorData::invalid_request(problem, None));
        }
        for metric in metrics {
            let contents = read(metric, pipeline).await.map_err(|error| failed(&error))?;
            self.watched().contents.entry(metric).or_insert(contents);
        }
        self.has_news.notify_one();
        Ok(listening)
    }

    /// Tells a stream of every change of what it was given until it is cancelled or the conversation ends.
    pub(super) async fn listen(&self, context: &SubscriptionContext) {
        let mut changes = self.changes.subscribe();
        let extensions = &context.request_context().extensions;
        let mut told = extensions.get::<Changes>().cloned().unwrap_or_default();
        let accepted = context.accepted().resource_subscriptions.iter().flatten();
        let metrics: BTreeSet<Metric> = accepted.filter_map(|uri| Metric::of(uri)).collect();
        loop {
            let now = changes.borrow_and_update().clone();
            for metric in metrics.iter().filter(|metric| now.get(*metric) != told.get(*metric)) {
                let sent = tokio::select! {
                    // At the end nobody may be left to take it.
                    () = self.ended.cancelled() => return,
                    sent = context.sink().notify_resource_updated(metric.uri()) => sent,
                };
                if sent.is_err() {
                    return;
                }
            }
            told = now;
            tokio::select! {
                () = context.cancelled() => return,
                () = self.ended.cancelled() => return,
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Looks for changes while anybody wants to hear of them, and never ends.
    ///
    /// Cancel safe: yes, because what was not told is still another content than the one remembered.
    pub(super) async fn watch(&self, pipeline: &Pipeline, peer: &Peer<RoleServer>) {
        let mut seen = None;
        loop {
            while self.watched().contents.is_empty() {
                self.has_news.notified().await;
            }
            let mut changes = pipeline.store.changes();
            while !self.watched().contents.is_empty() {
                tokio::select! {
                    _ = changes.next() => {}
                    // Nobody may be left.
                    () = self.has_news.notified() => continue,
                }
                let began = Instant::now();
                if let Err(error) = self.look(pipeline, peer, &mut seen).await {
                    tracing::debug!(%error, "the metrics were not looked at; they will be again");
                }
                // A store that takes long to sum is given a rest of thrice the time.
                tokio::time::sleep(began.elapsed() * 3).await;
            }
        }
    }

    async fn look(
        &self,
        pipeline: &Pipeline,
        peer: &Peer<RoleServer>,
        seen: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        // Asked first: a write after it moves it again.
        let revision = pipeline.store.revision().await?;
        if *seen == Some(revision) {
            return Ok(());
        }
        let metrics: Vec<Metric> = self.watched().contents.keys().copied().collect();
        for metric in metrics {
            let contents = read(metric, pipeline).await?;
            if !self.replace(metric, contents) {
                continue;
            }
            self.changes.send_modify(|changes| *changes.entry(metric).or_default() += 1);
            let is_legacy = self.watched().legacy.contains(&metric);
            let update = ResourceUpdatedNotificationParam::new(metric.uri());
            if is_legacy && peer.notify_resource_updated(update).await.is_err() {
                tracing::debug!("the client is gone");
            }
        }
        *seen = Some(revision);
        Ok(())
    }

    /// Remembers new contents, and says whether they are others than before.
    fn replace(&self, metric: Metric, contents: Value) -> bool {
        let mut watched = self.watched();
        match watched.contents.get_mut(&metric) {
            Some(known) if *known != contents => {
                *known = contents;
                true
            }
            _ => false,
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream; dropping it takes its wishes back.
pub(super) struct Listening<'a> {
    subscriptions: &'a Subscriptions,
    metrics: BTreeSet<Metric>,
    told: Changes,
}

impl Listening<'_> {
    /// Gives the changes that came before the stream, which it need not hear of.
    pub(super) fn told(&self) -> Changes {
        self.told.clone()
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut watched = self.subscriptions.watched();
        // Streams with the same wishes are alike.
        if let Some(place) = watched.listeners.iter().position(|metrics| *metrics == self.metrics) {
            watched.listeners.swap_remove(place);
        }
        watched.forget_unwanted();
        self.subscriptions.has_news.notify_one();
    }
}

/// Finds the metric of a URI, or says that there is no such resource.
pub(super) fn known(uri: &str) -> Result<Metric, ErrorData> {
    Metric::of(uri)
        .ok_or_else(|| ErrorData::resource_not_found("resource not found", Some(json!({ "uri": uri }))))
}

/// Words a store that cannot be read.
pub(super) fn failed(error: &StoreError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// Reads a metric without the time of reading.
async fn read(metric: Metric, pipeline: &Pipeline) -> Result<Value, StoreError> {
    let mut contents = metric.read(pipeline).await?;
    if let Value::Object(object) = &mut contents {
        object.remove("as_of");
    }
    Ok(contents)
}
