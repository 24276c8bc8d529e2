//! A server's own books: what each user has spent of the operator's money, where no user can change it.
//!
//! The rows of a project are its users' own, who may delete them past this program; a limit that is counted from them
//! alone is no limit. Here are amounts, times and tags of paid requests, for as long as a limit may count them, and no
//! prompt. Each server counts what went through it; the project's sums count beside it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::local::schema::open_beside;
use super::local::thread::StoreThread;
use super::{Ask, StoreError};
use crate::budget::admission::Admission;
use crate::budget::standing::Standing;
use crate::domain::ids::{RequestId, UserId};
use crate::domain::limit::Limit;
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;

/// How long a row is kept: longer than a month.
const KEPT: SignedDuration = SignedDuration::from_hours(40 * 24);

/// `expires_at` is that of a reservation; what is spent has none.
const SCHEMA: &str = "
create table if not exists tally (
    user_id     text    not null,
    request_id  text    not null,
    created_at  integer not null,
    amount_pico integer not null,
    tags        text    not null,
    expires_at  integer,
    primary key (user_id, request_id)
) without rowid;
create index if not exists tally_by_time on tally (user_id, created_at);";

/// The books, in a SQLite file that several processes may share.
#[derive(Debug, Clone)]
pub struct Tally(StoreThread<Connection>);

/// A reservation as it was before it was replaced; amount and end.
pub type Before = Option<(i64, Option<i64>)>;

impl Tally {
    /// Names the file; it is made by the first call.
    pub fn new(path: PathBuf) -> Self {
        Self(StoreThread::new("tally", path, open))
    }

    /// Reserves what a request may cost, unless that passes a limit, and gives what was reserved for it before.
    pub async fn begin(
        &self,
        user: UserId,
        intent: &RequestRecord,
        ask: &Ask,
    ) -> Result<(Admission, Before), StoreError> {
        let limits: Vec<Limit> =
            ask.limits.iter().filter(|limit| limit.scope.covers(&intent.tags)).cloned().collect();
        let (user, id) = (user.to_string(), intent.id.to_string());
        let (at, amount) = (intent.created_at, intent.worst_case.unwrap_or_default());
        let tags = serde_json::to_string(&intent.tags).unwrap_or_else(|_| "[]".to_owned());
        let (now, expires_at) = (ask.now.as_microsecond(), ask.expires_at().as_microsecond());
        self.0
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let standings = limits
                    .into_iter()
                    .map(|limit| standing(&transaction, &Asker { user: &user, id: &id, at, now }, limit))
                    .collect::<rusqlite::Result<_>>()?;
                let admission = Admission::decide(standings, amount);
                let mut before = None;
                if matches!(admission, Admission::Admitted(_)) {
                    let find =
                        "select amount_pico, expires_at from tally where user_id = ?1 and request_id = ?2";
                    before = transaction
                        .prepare_cached(find)?
                        .query_row([&user, &id], |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()?;
                    transaction
                        .prepare_cached("insert or replace into tally values (?1, ?2, ?3, ?4, ?5, ?6)")?
                        .execute(params![user, id, at.as_microsecond(), amount.pico(), tags, expires_at])?;
                    transaction.commit()?;
                }
                Ok((admission, before))
            })
            .await
    }

    /// Puts back what was reserved before, because nobody was paid after [`Tally::begin`].
    pub async fn undo(&self, user: UserId, id: RequestId, before: Before) -> Result<(), StoreError> {
        let (user, id) = (user.to_string(), id.to_string());
        self.0
            .run(move |connection| {
                let changed = match before {
                    Some((amount, expires_at)) => connection.execute(
                        "update tally set amount_pico = ?3, expires_at = ?4 where user_id = ?1 and request_id = ?2",
                        params![user, id, amount, expires_at],
                    ),
                    None => connection
                        .execute("delete from tally where user_id = ?1 and request_id = ?2", [user, id]),
                };
                changed.map(drop)
            })
            .await
    }

    /// Writes down what a request has cost in the end.
    pub async fn settle(&self, user: UserId, id: RequestId, cost: Usd) -> Result<(), StoreError> {
        let (user, id) = (user.to_string(), id.to_string());
        self.0
            .run(move |connection| {
                connection
                    .prepare_cached(
                        "update tally set amount_pico = ?3, expires_at = null where user_id = ?1 and request_id = ?2",
                    )?
                    .execute(params![user, id, cost.pico()])
                    .map(drop)
            })
            .await
    }

    /// Forgets what no limit counts any more.
    pub async fn forget_old(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
        self.0
            .run(move |connection| {
                connection.execute("delete from tally where created_at < ?1", [before]).map(drop)
            })
            .await
    }
}

/// Who asks how a limit stands.
struct Asker<'a> {
    user: &'a str,
    /// The request that is left out.
    id: &'a str,
    at: Timestamp,
    now: i64,
}

/// Sums what a limit counts, but for one request.
fn standing(transaction: &Transaction<'_>, asker: &Asker<'_>, limit: Limit) -> rusqlite::Result<Standing> {
    const SUM: &str = "
        select coalesce(sum(amount_pico) filter (where expires_at is null), 0),
               coalesce(sum(amount_pico) filter (where expires_at > ?5), 0)
        from tally t
        where user_id = ?1 and created_at >= ?3 and created_at < ?4 and request_id <> ?2
          and (?6 is null or exists (select 1 from json_each(t.tags) where value = ?6))";
    let (from, to) = limit.scope.period.bounds(asker.at);
    let (spent, reserved) = transaction.prepare_cached(SUM)?.query_row(
        params![asker.user, asker.id, from.as_microsecond(), to.as_microsecond(), asker.now, limit.scope.tag],
        |row| Ok((Usd::from_pico(row.get(0)?), Usd::from_pico(row.get(1)?))),
    )?;
    Ok(Standing { limit, spent, reserved })
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    open_beside(path, "normal", SCHEMA)
}
