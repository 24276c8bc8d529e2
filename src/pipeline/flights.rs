//! Requests under way: those who ask the same at the same time share one payment.
//!
//! A flight is one payment. Whoever waits for it has a seat; when the last seat is given up the payment is
//! abandoned, unless somebody said that they will come back for the answer. It pays nobody itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::outcome::{RouteError, Routed};
use crate::domain::ids::{EntryId, RequestId};
use crate::domain::record::{RequestRecord, ScopeHash};
use crate::providers::Draft;

/// How long an answer waits for somebody who said that they will come back.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// How long an answer waits for a request that came while it was made.
const LANDED_FOR: Duration = Duration::from_secs(2);
/// Answers that wait at the most; the oldest go first.
const MOST_LANDED: usize = 256;

/// What makes two requests the same: the cache's scope, and the prompt.
pub(super) type FlightKey = (ScopeHash, [u8; 32]);

/// What a payment came to, and the cache's entry that keeps its answer.
pub(super) type Landing = Result<(Routed, Option<EntryId>), RouteError>;

/// All flights of this process.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<Registry>>);

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").field("flights", &self.lock().flights.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Registry {
    flights: HashMap<RequestId, Flight>,
    leaders: HashMap<FlightKey, RequestId>,
}

struct Flight {
    key: Option<FlightKey>,
    intent: Arc<RequestRecord>,
    draft: Arc<Draft>,
    landing: watch::Receiver<Option<Landing>>,
    abandon: CancellationToken,
    seats: usize,
    is_kept: bool,
    landed_at: Option<Instant>,
}

/// What a request finds that wants to pay.
pub(super) enum Boarding {
    /// Nobody asks the same: pay, and land.
    Lead(Seat, Pilot),
    Follow(Seat),
}

/// The place of somebody who waits.
pub(super) struct Seat {
    flights: Flights,
    /// The request that pays.
    pub(super) leader: RequestId,
    pub(super) intent: Arc<RequestRecord>,
    pub(super) draft: Arc<Draft>,
    landing: watch::Receiver<Option<Landing>>,
}

/// The task that pays.
pub(super) struct Pilot {
    flights: Flights,
    id: RequestId,
    landing: watch::Sender<Option<Landing>>,
    pub(super) draft: Arc<Draft>,
    /// Cancelled when nobody waits any more.
    pub(super) abandon: CancellationToken,
}

impl Flights {
    /// Takes a seat on a flight that was under way when a request started, if there is one.
    pub(super) fn join(&self, key: Option<FlightKey>, started: Instant) -> Option<Seat> {
        let mut registry = self.lock();
        let leader = *registry.leaders.get(&key?)?;
        let flight = registry.flights.get(&leader)?;
        let is_over = flight.landed_at.is_some_and(|landed_at| landed_at < started);
        if is_over || flight.abandon.is_cancelled() { None } else { self.sit(&mut registry, leader) }
    }

    /// Joins the flight of the same key, or begins one.
    pub(super) fn board(
        &self,
        key: Option<FlightKey>,
        started: Instant,
        intent: RequestRecord,
        stop: &CancellationToken,
    ) -> Boarding {
        if let Some(seat) = self.join(key, started) {
            return Boarding::Follow(seat);
        }
        let id = intent.id;
        let (sender, landing) = watch::channel(None);
        let (intent, draft, abandon) = (Arc::new(intent), Arc::<Draft>::default(), stop.child_token());
        let mut registry = self.lock();
        registry.clear_away(Instant::now());
        registry.flights.insert(
            id,
            Flight {
                key,
                intent: Arc::clone(&intent),
                draft: Arc::clone(&draft),
                landing: landing.clone(),
                abandon: abandon.clone(),
                seats: 1,
                is_kept: false,
                landed_at: None,
            },
        );
        if let Some(key) = key {
            registry.leaders.insert(key, id);
        }
        let seat = Seat { flights: self.clone(), leader: id, intent, draft: Arc::clone(&draft), landing };
        Boarding::Lead(seat, Pilot { flights: self.clone(), id, landing: sender, draft, abandon })
    }

    /// Takes a seat on the flight of a request that is under way, or whose answer waits.
    pub(super) fn find(&self, leader: RequestId) -> Option<Seat> {
        self.sit(&mut self.lock(), leader)
    }

    fn sit(&self, registry: &mut Registry, leader: RequestId) -> Option<Seat> {
        let flight = registry.flights.get_mut(&leader)?;
        flight.seats += 1;
        Some(Seat {
            flights: self.clone(),
            leader,
            intent: Arc::clone(&flight.intent),
            draft: Arc::clone(&flight.draft),
            landing: flight.landing.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Drops answers that nobody came for.
    fn clear_away(&mut self, now: Instant) {
        let is_over = |flight: &Flight| {
            let patience = if flight.is_kept { KEPT_FOR } else { LANDED_FOR };
            flight.landed_at.is_some_and(|landed_at| now.saturating_duration_since(landed_at) > patience)
        };
        let mut over: Vec<RequestId> =
            self.flights.iter().filter(|(_, flight)| is_over(flight)).map(|(id, _)| *id).collect();
        if over.is_empty() && self.flights.len() >= MOST_LANDED {
            let landed = self.flights.iter().filter_map(|(id, flight)| Some((flight.landed_at?, *id)));
            over.extend(landed.min().map(|(_, id)| id));
        }
        over.into_iter().for_each(|id| self.remove(id));
    }

    fn remove(&mut self, id: RequestId) {
        let key = self.flights.remove(&id).and_then(|flight| flight.key);
        if let Some(key) = key
            && self.leaders.get(&key) == Some(&id)
        {
            self.leaders.remove(&key);
        }
    }
}

impl Seat {
    /// Waits until the payment has come to something.
    ///
    /// Cancel safe: yes.
    pub(super) async fn landed(&mut self) -> Landing {
        match self.landing.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone().unwrap_or(Err(RouteError::Stopped(self.leader))),
            // The task that pays has died.
            Err(_) => Err(RouteError::Stopped(self.leader)),
        }
    }

    /// Has the payment go on, and its answer wait, although this seat is given up.
    pub(super) fn keep(&self) {
        if let Some(flight) = self.flights.lock().flights.get_mut(&self.leader) {
            flight.is_kept = true;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut registry = self.flights.lock();
        let Some(flight) = registry.flights.get_mut(&self.leader) else { return };
        flight.seats = flight.seats.saturating_sub(1);
        if flight.seats == 0 && !flight.is_kept && flight.landed_at.is_none() {
            flight.abandon.cancel();
        }
    }
}

impl Pilot {
    /// Tells everybody who waits what the payment came to.
    pub(super) fn land(self, landing: Landing) {
        let now = Instant::now();
        {
            let mut registry = self.flights.lock();
            registry.clear_away(now);
            if let Some(flight) = registry.flights.get_mut(&self.id) {
                flight.landed_at = Some(now);
                if flight.key.is_none() && !flight.is_kept {
                    registry.remove(self.id);
                }
            }
        }
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Pilot {
    /// Forgets a flight whose task died; whoever waits is told by the closed channel.
    fn drop(&mut self) {
        let mut registry = self.flights.lock();
        if registry.flights.get(&self.id).is_some_and(|flight| flight.landed_at.is_none()) {
            registry.remove(self.id);
        }
    }
}
