//! What is looked up before anybody is asked: cached answers, and how similar prompts were answered.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::flights::FlightKey;
use super::journey::Journey;
use super::{Pipeline, Settings};
use crate::cache::admission::{Admission, NEIGHBOURS, admission, is_comparable, may_store};
use crate::cache::compare::transcript;
use crate::cache::freshness::Volatility;
use crate::cache::privacy::is_private;
use crate::cache::scope::{normal_sha256, period, prompt_sha256, scope_of};
use crate::domain::answer::{CacheHit, Source};
use crate::domain::decision::StrategyName;
use crate::domain::evidence::EvidenceKey;
use crate::domain::ids::EntryId;
use crate::domain::outcome::{Outcome, OutcomeQuery};
use crate::domain::prompt::{CacheMode, RouteRequest, StorePrompts};
use crate::domain::record::{CacheEntry, RequestRecord, ScopeHash, StoredEmbedding};
use crate::embed::EmbedError;
use crate::routing::focus::focus;
use crate::store::{ExactQuery, NearestQuery, Recorded};

/// How long a request waits for the weights to be loaded; they take a fraction of a second from disk.
const EMBEDDER_PATIENCE: Duration = Duration::from_secs(2);

/// How long a request waits for its embedding, queue included, before it goes on without.
pub(super) const EMBEDDING_LIMIT: Duration = Duration::from_secs(5);

/// Within this time a session that asks for an answer anew says that it was none.
const SOON: SignedDuration = SignedDuration::from_mins(10);

/// Outcomes that routing looks at for one prompt.
const OUTCOMES: usize = 200;

/// What the cache may do for a request.
pub(super) struct CachePlan {
    admission: Admission,
    is_read: bool,
    scope: ScopeHash,
    ttl: Duration,
    pub(super) prompt_sha256: [u8; 32],
    /// Whether the prompt is longer than the embedder reads.
    is_cut: bool,
    /// Whether the embedding is of what the prompt asks in the end, for routing alone.
    is_embedded_for_routing: bool,
    /// Of the prompt without what means nothing, for prose.
    normal_sha256: Option<[u8; 32]>,
    pub(super) kept: StorePrompts,
}

/// An answer to serve.
pub(super) struct Found {
    pub(super) entry: CacheEntry,
    pub(super) hit: CacheHit,
    pub(super) source: Source,
}

impl CachePlan {
    /// Makes a plan; `arms` names those of experiments that the request belongs to.
    pub(super) fn new(request: &RouteRequest, at: Timestamp, settings: &Settings, arms: &[String]) -> Self {
        let prompt = request.prompt.as_str();
        let volatility = Volatility::of(prompt);
        Self {
            admission: admission(request, volatility, settings.store_prompts),
            is_read: request.cache == CacheMode::Use,
            scope: scope_of(request, period(volatility, at).as_deref(), arms),
            ttl: volatility.ttl(settings.cache_ttl),
            prompt_sha256: prompt_sha256(request),
            is_cut: false,
            is_embedded_for_routing: false,
            normal_sha256: normal_sha256(request),
            kept: settings.store_prompts,
        }
    }

    /// Says which other requests ask the same; `None` for one that wants an answer of its own.
    pub(super) fn flight_key(&self) -> Option<FlightKey> {
        (self.admission != Admission::Never).then_some((self.scope, self.prompt_sha256))
    }
}

impl Pipeline {
    /// Looks for an answer to exactly this prompt, before anything is embedded.
    pub(super) async fn find_exact(&self, journey: &mut Journey) -> Option<Found> {
        let plan = &journey.cache;
        let asks_anew = journey.request.cache == CacheMode::Refresh && journey.request.session.is_some();
        if plan.admission == Admission::Never || !plan.is_read && !asks_anew {
            return None;
        }
        let query = ExactQuery {
            scope: plan.scope,
            prompt_sha256: plan.prompt_sha256,
            normal_sha256: plan.normal_sha256,
            now: journey.at,
        };
        match self.store.find_exact(query).await {
            Ok(entry) if asks_anew => {
                let is_recent = |entry: &CacheEntry| journey.at.duration_since(entry.created_at) < SOON;
                if let Some(entry) = entry.filter(is_recent) {
                    self.learn_asked_again(entry.request_id);
                }
                None
            }
            Ok(entry) => entry.map(|entry| found(entry, 1.0, Source::CacheExact, journey.at)),
            Err(error) => {
                journey.degrade(format!("the cache was not read: {error}"));
                None
            }
        }
    }

    /// Embeds the prompt where its neighbours would mean something.
    pub(super) async fn embed(&self, journey: &mut Journey) -> Option<StoredEmbedding> {
        if journey.cache.admission != Admission::Semantic {
            return None;
        }
        let prompt = journey.request.prompt.as_str().to_owned();
        self.embed_text(journey, prompt).await
    }

    async fn embed_text(&self, journey: &mut Journey, text: String) -> Option<StoredEmbedding> {
        let embedding = self.embedder.embed(text, EMBEDDER_PATIENCE);
        let embedded =
            tokio::time::timeout(EMBEDDING_LIMIT, embedding).await.unwrap_or(Err(EmbedError::Busy));
        match embedded {
            Ok(embedded) if is_comparable(embedded.truncated, embedded.unknown_share) => {
                let fingerprint = self.embedder.fingerprint()?;
                Some(StoredEmbedding { fingerprint, embedding: embedded.embedding })
            }
            Ok(embedded) => {
                journey.cache.is_cut = embedded.truncated;
                None
            }
            Err(error) => {
                journey.degrade(error.to_string());
                None
            }
        }
    }

    /// Finds how similar prompts were answered, for a strategy that asks; where the cache needed no embedding
    /// one is made, unless there is nothing to find or the prompt is not to be kept.
    pub(super) async fn evidence(
        &self,
        journey: &mut Journey,
        embedding: Option<StoredEmbedding>,
    ) -> (Option<StoredEmbedding>, Vec<Outcome>) {
        let request = &journey.request;
        if request.pinned_model.is_some()
            || request.strategy == StrategyName::Complexity
            || !journey.cache.kept.keeps_text()
        {
            return (embedding, Vec::new());
        }
        // Where there is no embedder, nobody waits for it twice.
        journey.cache.is_embedded_for_routing = embedding.is_none()
            && (journey.cache.admission != Admission::Semantic || journey.cache.is_cut)
            && (journey.cache.kept.keeps_private_text() || !is_private(request.prompt.as_str()))
            && self.store.has_outcomes().await.unwrap_or(false);
        let embedding = if journey.cache.is_embedded_for_routing {
            let asked = focus(journey.request.prompt.as_str()).to_owned();
            self.embed_text(journey, asked).await
        } else {
            embedding
        };
        let Some(wanted) = embedding.clone() else { return (None, Vec::new()) };
        let query = OutcomeQuery { embedding: wanted, limit: OUTCOMES, now: journey.at };
        let evidence = self.store.nearest_outcomes(query).await.unwrap_or_else(|error| {
            journey.degrade(format!("routing could not see how similar prompts were answered: {error}"));
            Vec::new()
        });
        (embedding, evidence)
    }

    /// Looks for an answer to a prompt that is near enough.
    pub(super) async fn find_similar(
        &self,
        journey: &mut Journey,
        embedding: Option<&StoredEmbedding>,
    ) -> Option<Found> {
        if !journey.cache.is_read {
            return None;
        }
        let query = NearestQuery {
            scope: journey.cache.scope,
            embedding: embedding?.clone(),
            prompt_sha256: journey.cache.prompt_sha256,
            limit: NEIGHBOURS,
            now: journey.at,
        };
        let key = EvidenceKey { scope: query.scope, fingerprint: query.embedding.fingerprint.clone() };
        match self.store.match_cache_entries(query).await {
            Ok(neighbours) => {
                let (neighbour, score, bound) = self.choose(journey, key, &neighbours).await?;
                let mut found =
                    found(neighbour.entry.clone(), neighbour.similarity, Source::CacheSemantic, journey.at);
                found.hit.score = Some(score);
                found.hit.error_bound = bound;
                Some(found)
            }
            Err(error) => {
                journey.degrade(format!("the cache was not read: {error}"));
                None
            }
        }
    }
}

impl Journey {
    /// Notes what did not work, once.
    pub(super) fn degrade(&mut self, problem: String) {
        if !self.degraded.contains(&problem) {
            self.degraded.push(problem);
        }
    }

    /// Notes that a record is on this machine only.
    pub(super) fn note(&mut self, recorded: &Recorded) {
        match recorded {
            Recorded::Now => {}
            Recorded::Later { problem } => {
                self.degrade(format!("the record waits on this machine for the project ({problem})"));
            }
            Recorded::Aside { code } => self.degrade(format!(
                "the project will never take the record ({code}); it is kept on this machine, and `doctor` lists it"
            )),
        }
    }

    /// Makes the entry that keeps a bought answer, where it may be kept.
    pub(super) fn entry(
        &self,
        record: &RequestRecord,
        text: &str,
        embedding: Option<StoredEmbedding>,
    ) -> Option<CacheEntry> {
        let finish_reason = record.finish_reason?;
        if self.cache.admission == Admission::Never || !may_store(text, finish_reason, self.cache.kept) {
            return None;
        }
        let now = Timestamp::now();
        Some(CacheEntry {
            id: EntryId::new(),
            scope: self.cache.scope,
            prompt_sha256: self.cache.prompt_sha256,
            normal_sha256: self.cache.normal_sha256,
            prompt_text: (self.cache.admission == Admission::Semantic)
                .then(|| transcript(&self.request.context, self.request.prompt.as_str())),
            // An embedding that was made for routing alone stands for too little to serve an answer by.
            embedding: embedding.filter(|_| {
                self.cache.admission == Admission::Semantic && !self.cache.is_embedded_for_routing
            }),
            text: text.to_owned(),
            reference: record.reference.clone()?,
            usage: record.usage,
            cost: record.cost,
            finish_reason,
            request_id: self.id,
            created_at: now,
            expires_at: now.checked_add(SignedDuration::try_from(self.cache.ttl).ok()?).ok()?,
        })
    }
}

fn found(entry: CacheEntry, similarity: f32, source: Source, now: Timestamp) -> Found {
    let age = now.duration_since(entry.created_at).as_secs();
    let hit = CacheHit {
        entry_id: entry.id,
        similarity,
        score: None,
        error_bound: None,
        age_seconds: u64::try_from(age).unwrap_or(0),
    };
    Found { entry, hit, source }
}
