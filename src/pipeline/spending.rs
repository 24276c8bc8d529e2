//! Reserving what a request may cost before anybody is paid, and telling how its budgets stand after.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::Pipeline;
use super::asking::LIMIT_IN_DEADLINES;
use super::books::Books;
use super::journey::Journey;
use super::outcome::RouteError;
use crate::budget::admission::{Admission, fullest, must_hold, narrowest};
use crate::budget::standing::Standing;
use crate::domain::decision::{Candidate, Decision};
use crate::domain::ids::UserId;
use crate::domain::limit::{Limit, OnBreach, Scope, SetBy};
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::store::tally::Tally;
use crate::store::{Ask, Begun, StoreError};

/// Tries to reserve, where others reserve at the same time.
const TRIES: usize = 6;
/// How much longer a reservation lives than its calls may take.
const GRACE: Duration = Duration::from_secs(60);
/// Limits of which it is remembered what was told.
const MOST_TOLD: usize = 1_024;

/// The limits that are configured, and what is remembered of those that the store keeps.
#[derive(Debug, Clone)]
pub struct Budgets {
    given: Arc<[Limit]>,
    /// This process, in reservations.
    owner: Arc<str>,
    pub(super) books: Books,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Kept limits, as they were last heard of.
    kept: HashMap<(Scope, SetBy), Limit>,
    /// The highest alert that was told of a limit in the period that begins on a day.
    told: HashMap<(Limit, Date), u8>,
}

/// What a request has reserved.
#[derive(Debug)]
pub(super) struct Reserved {
    intent: RequestRecord,
    amount: Mutex<Usd>,
    /// How its limits stood without it; none where they could not be looked at.
    standings: Vec<Standing>,
}

/// How the limit of which the largest share is used stands after a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub standing: Standing,
    /// In words, where a request has brought a limit to 50, 80 or 100 %, or passed one that only warns.
    pub alerts: Vec<String>,
}

/// Why a limit is not set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BudgetError {
    #[error("a limit as tight is in force already: {0}; hint: ask for less, or have the user change it")]
    NotTighter(Limit),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Budgets {
    /// Takes the limits that are configured, and what this process is called in reservations.
    pub fn new(given: Vec<Limit>, owner: &str) -> Self {
        Self { given: given.into(), owner: owner.into(), books: Books::Own, known: Arc::default() }
    }

    /// Gives another user the same limits, each for that user alone, at the cost of whoever runs the program.
    pub(super) fn of_another_user(&self, user: UserId, tally: Option<Tally>) -> Self {
        let (given, owner) = (Arc::clone(&self.given), Arc::clone(&self.owner));
        Self { given, owner, books: Books::Operators { user, tally }, known: Arc::default() }
    }

    /// Lists the limits that are configured.
    pub fn given(&self) -> Vec<Limit> {
        self.given.to_vec()
    }

    fn with_known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers the kept limits of a request with some tags.
    fn hear(&self, standings: &[Standing], tags: &[String]) {
        self.with_known(|known| {
            known.kept.retain(|(scope, _), _| !scope.covers(tags));
            for Standing { limit, .. } in
                standings.iter().filter(|standing| standing.limit.set_by != SetBy::Config)
            {
                known.kept.insert((limit.scope.clone(), limit.set_by), limit.clone());
            }
        });
    }

    fn limits(&self, tags: &[String]) -> Vec<Limit> {
        let kept: Vec<Limit> = self.with_known(|known| known.kept.values().cloned().collect());
        self.given.iter().cloned().chain(kept).filter(|limit| limit.scope.covers(tags)).collect()
    }

    /// Says whether an alert is news in this process.
    fn is_news(&self, standing: &Standing, at: Timestamp) -> bool {
        let (first, _) = standing.limit.scope.period.days(at);
        let alert = standing.alert();
        self.with_known(|known| {
            if known.told.len() >= MOST_TOLD {
                known.told.clear();
            }
            let told = known.told.entry((standing.limit.clone(), first)).or_default();
            let is_news = alert > *told;
            *told = alert.max(*told);
            is_news
        })
    }
}

impl Pipeline {
    /// Writes the intent and reserves the most that the request may cost. Candidates that do not fit are taken out of the
    /// decision; where none is left, or the choice itself is one that a limit blocks, nothing is written.
    pub(super) async fn begin(
        &self,
        journey: &mut Journey,
        decision: &mut Decision,
    ) -> Result<Reserved, RouteError> {
        for _ in 0..TRIES {
            let intent = journey.intent(decision);
            let Begun { recorded, admission } =
                self.begin_in_books(&intent, self.ask_budgets(&intent.tags)).await?;
            let standings = match admission {
                Some(Admission::Refused(standings)) => {
                    self.budgets.hear(&standings, &intent.tags);
                    let room = narrowest(&standings).map(Standing::remaining).unwrap_or_default();
                    if self.count(journey, &decision.candidates, room).await {
                        self.estimate_again(journey, decision);
                        continue;
                    }
                    keep_what_fits(journey, decision, &standings)?;
                    continue;
                }
                Some(Admission::Admitted(standings)) => {
                    self.budgets.hear(&standings, &intent.tags);
                    standings
                }
                None => {
                    if !self.budgets.limits(&intent.tags).is_empty() {
                        journey.degrade(
                            "the budgets could not be looked at, and none of them blocks".to_owned(),
                        );
                    }
                    Vec::new()
                }
            };
            journey.note(&recorded);
            let amount = Mutex::new(intent.worst_case.unwrap_or_default());
            return Ok(Reserved { intent, amount, standings });
        }
        Err(StoreError::Busy.into())
    }

    /// Says how all limits stand.
    pub async fn budgets(&self, at: Timestamp) -> Result<Vec<Standing>, StoreError> {
        self.store.budgets(self.budgets.given(), at).await
    }

    /// Sets a limit that is tighter than those in force, and says how all stand.
    pub async fn tighten_budget(&self, limit: Limit) -> Result<Vec<Standing>, BudgetError> {
        let now = Timestamp::now();
        let in_force = self.budgets(now).await?;
        // Who says the same again has said it.
        let is_it = |limit_in_force: &Limit| {
            limit_in_force.set_by == limit.set_by
                && limit_in_force.is_as_tight_as(&limit)
                && limit.is_as_tight_as(limit_in_force)
        };
        if in_force.iter().any(|standing| is_it(&standing.limit)) {
            return Ok(in_force);
        }
        if let Some(tighter) = in_force.into_iter().find(|standing| standing.limit.is_as_tight_as(&limit)) {
            return Err(BudgetError::NotTighter(tighter.limit));
        }
        self.set_budget(limit, now).await.map_err(Into::into)
    }

    /// Sets a limit, and says how all stand.
    pub async fn set_budget(&self, limit: Limit, at: Timestamp) -> Result<Vec<Standing>, StoreError> {
        self.store.set_budget(limit, at).await?;
        self.budgets(at).await
    }

    fn ask_budgets(&self, tags: &[String]) -> Ask {
        Ask {
            limits: self.budgets.given(),
            must_hold: matches!(self.budgets.books, Books::Operators { .. })
                || must_hold(&self.budgets.limits(tags), tags),
            owner: self.budgets.owner.to_string(),
            now: Timestamp::now(),
            lease: self.settings.request_deadline * LIMIT_IN_DEADLINES + GRACE,
        }
    }

    /// Says whether a request may cost so much in all, as when somebody else is to be asked after a call that is billed.
    ///
    /// Where no limit stops anything it may; else what is missing is reserved first.
    pub(super) async fn may_cost(&self, reserved: &Reserved, total: Usd) -> bool {
        let has = || *reserved.amount.lock().unwrap_or_else(PoisonError::into_inner);
        if narrowest(&reserved.standings).is_none() || total <= has() {
            return true;
        }
        let intent = RequestRecord { worst_case: Some(total), ..reserved.intent.clone() };
        let ask = Ask { must_hold: true, ..self.ask_budgets(&intent.tags) };
        let begun = self.begin_in_books(&intent, ask).await;
        let is_admitted = begun.is_ok_and(|begun| matches!(begun.admission, Some(Admission::Admitted(_))));
        if is_admitted {
            *reserved.amount.lock().unwrap_or_else(PoisonError::into_inner) = total;
        }
        is_admitted
    }

    /// Begins a trial of another model, which no limit, not even one that only warns, may stand against.
    pub(super) async fn begin_trial(&self, intent: &RequestRecord) -> Result<bool, StoreError> {
        let standings = self.store.budgets(self.budgets.given(), intent.created_at).await?;
        let worst_case = intent.worst_case.unwrap_or_default();
        let mut concerned = standings.iter().filter(|standing| standing.limit.scope.covers(&intent.tags));
        if !concerned.all(|standing| standing.has_room(worst_case)) {
            return Ok(false);
        }
        let ask = Ask { must_hold: true, ..self.ask_budgets(&intent.tags) };
        let begun = self.begin_in_books(intent, ask).await?;
        Ok(matches!(begun.admission, Some(Admission::Admitted(_))))
    }

    /// Says how the limits of a request stand with what it cost; `None` where there are none.
    pub(super) fn spent(&self, reserved: Reserved, record: &RequestRecord) -> Option<Spent> {
        let mut alerts = Vec::new();
        let standings: Vec<Standing> = reserved
            .standings
            .into_iter()
            .map(|before| Standing { spent: before.spent + record.cost.unwrap_or_default(), ..before })
            .collect();
        for standing in &standings {
            if self.budgets.is_news(standing, record.created_at) {
                let Standing { limit, spent, .. } = standing;
                let alert = format!(
                    "{} % of the budget of {} {} is spent ({spent})",
                    standing.alert(),
                    limit.most,
                    limit.scope
                );
                tracing::warn!(budget = %alert, "a budget is nearing its end");
                alerts.push(alert);
            } else if standing.limit.on_breach == OnBreach::Warn && !standing.has_room(Usd::ZERO) {
                alerts.push(format!(
                    "the budget of {} {} is passed, and only warns",
                    standing.limit.most, standing.limit.scope
                ));
            }
        }
        fullest(&standings).map(|standing| Spent { standing: standing.clone(), alerts })
    }
}

/// Takes the candidates out of a decision that do not fit what is left.
fn keep_what_fits(
    journey: &mut Journey,
    decision: &mut Decision,
    standings: &[Standing],
) -> Result<(), RouteError> {
    let Some(narrow) = narrowest(standings) else { return Ok(()) };
    let high = |candidate: &Candidate| candidate.estimate.map_or(Usd::ZERO, |estimate| estimate.high);
    let cheapest = decision.candidates.iter().map(high).min().unwrap_or_default();
    let first = decision.candidates.first().cloned();
    let needs = first.as_ref().map(high).unwrap_or_default();
    let refused = |standing: &Standing, needs: Usd| RouteError::OverBudget {
        standing: Box::new(standing.clone()),
        needs,
    };
    let mut blocking = standings.iter().filter(|standing| standing.limit.on_breach == OnBreach::Block);
    if let Some(standing) = blocking.find(|standing| !standing.has_room(needs)) {
        return Err(refused(standing, needs));
    }
    // Both answers of a cascade are more than one.
    journey.escalation = None;
    decision.candidates.retain(|candidate| high(candidate) <= narrow.remaining());
    let Some(now) = decision.candidates.first() else { return Err(refused(narrow, cheapest)) };
    if let Some(first) = first.filter(|first| first.card.reference != now.card.reference) {
        let (limit, left) = (&narrow.limit, narrow.remaining());
        decision.reason.push_str(&format!(
            "; {} may cost {needs}, and of the budget of {} {} only {left} is left, so {} is asked",
            first.card.reference, limit.most, limit.scope, now.card.reference
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::Period;

    #[test]
    fn each_limit_is_told_of_once_a_period_though_two_have_one_scope() {
        let standing = |most: i64, spent: i64| Standing {
            limit: Limit {
                scope: Scope { period: Period::Day, tag: None },
                most: Usd::from_pico(most),
                on_breach: OnBreach::Warn,
                set_by: SetBy::Config,
            },
            spent: Usd::from_pico(spent),
            reserved: Usd::ZERO,
        };
        let budgets = Budgets::new(Vec::new(), "a test");
        let today: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let tomorrow: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        for (most, spent, at, is_news) in [
            (100, 49, today, false),
            (100, 50, today, true),
            (100, 79, today, false),
            (60, 50, today, true),
            (60, 59, today, false),
            (100, 100, today, true),
            (100, 50, tomorrow, true),
        ] {
            assert_eq!(budgets.is_news(&standing(most, spent), at), is_news, "{spent} of {most}");
        }
    }
}
