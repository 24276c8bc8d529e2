//! Rows of `budgets` and `budget_reservations`, and what is spent of a limit.

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::columns::{named, unreadable};
use super::periods::QUARTER;
use super::report::Pico;
use crate::budget::admission::Admission;
use crate::budget::standing::Standing;
use crate::domain::ids::{RequestId, UserId};
use crate::domain::limit::{Limit, Scope, SetBy};
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::store::Ask;

/// Says whether a request may reserve the most that it may cost, in place of what it had reserved before.
pub(super) fn decide(
    transaction: &Transaction<'_>,
    intent: &RequestRecord,
    ask: &Ask,
) -> rusqlite::Result<Admission> {
    transaction
        .prepare_cached("delete from budget_reservations where user_id = ?1 and expires_at <= ?2")?
        .execute(params![UserId::LOCAL.to_string(), ask.now.as_microsecond()])?;
    let standings = limits(transaction, &ask.limits)?
        .into_iter()
        .filter(|limit| limit.scope.covers(&intent.tags))
        .map(|limit| standing(transaction, limit, intent.created_at, ask.now, Some(intent.id)))
        .collect::<rusqlite::Result<_>>()?;
    Ok(Admission::decide(standings, intent.worst_case.unwrap_or_default()))
}

/// Reserves for a request that is under way; its end may have come before.
pub(super) fn reserve(
    transaction: &Transaction<'_>,
    intent: &RequestRecord,
    ask: &Ask,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "insert into budget_reservations (user_id, request_id, amount_pico, created_at, tags, owner, expires_at) \
             select user_id, id, ?3, created_at, tags, ?4, ?5 from requests \
             where user_id = ?1 and id = ?2 and status = 'intent' \
             on conflict do update set amount_pico = excluded.amount_pico, expires_at = excluded.expires_at",
        )?
        .execute(params![
            UserId::LOCAL.to_string(),
            intent.id.to_string(),
            // Nobody pays less than nothing.
            intent.worst_case.unwrap_or_default().pico().max(0),
            ask.owner,
            ask.expires_at().as_microsecond(),
        ])?;
    Ok(())
}

/// Takes the reservation of a request away, whose bill is known.
pub(super) fn settle(connection: &Connection, id: RequestId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from budget_reservations where user_id = ?1 and request_id = ?2")?
        .execute([UserId::LOCAL.to_string(), id.to_string()])?;
    Ok(())
}

/// Says how all limits stand, in one moment: those that are given and those that are kept.
pub(super) fn standings(
    connection: &mut Connection,
    given: &[Limit],
    at: Timestamp,
) -> rusqlite::Result<Vec<Standing>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Deferred)?;
    let limits = limits(&transaction, given)?;
    limits.into_iter().map(|limit| standing(&transaction, limit, at, at, None)).collect()
}

/// Sets a limit. A model's own can only become tighter.
pub(super) fn set(connection: &Connection, limit: &Limit, at: Timestamp) -> rusqlite::Result<()> {
    let is_tool = limit.set_by == SetBy::Tool;
    // In the order of letters the strictest comes first.
    let (most, on_breach) = if is_tool {
        ("min(limit_pico, excluded.limit_pico)", "min(on_breach, excluded.on_breach)")
    } else {
        ("excluded.limit_pico", "excluded.on_breach")
    };
    connection
        .prepare_cached(&format!(
            "insert into budgets (user_id, period, tag, set_by, limit_pico, on_breach, updated_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do update set \
             limit_pico = {most}, on_breach = {on_breach}, updated_at = excluded.updated_at"
        ))?
        .execute(params![
            UserId::LOCAL.to_string(),
            limit.scope.period.to_string(),
            limit.scope.tag.as_deref().unwrap_or_default(),
            limit.set_by.to_string(),
            limit.most.pico(),
            limit.on_breach.to_string(),
            at.as_microsecond(),
        ])?;
    Ok(())
}

/// Takes the limits of a scope away, whoever set them here; says whether there were any.
pub(super) fn remove(connection: &Connection, scope: &Scope) -> rusqlite::Result<bool> {
    let tag = scope.tag.as_deref().unwrap_or_default();
    connection
        .prepare_cached("delete from budgets where user_id = ?1 and period = ?2 and tag = ?3")?
        .execute(params![UserId::LOCAL.to_string(), scope.period.to_string(), tag])
        .map(|removed| removed > 0)
}

fn limits(connection: &Connection, given: &[Limit]) -> rusqlite::Result<Vec<Limit>> {
    let kept: Vec<Limit> = connection
        .prepare_cached(
            "select period, tag, set_by, limit_pico, on_breach from budgets where user_id = ?1 \
             order by period, tag, set_by",
        )?
        .query_map([UserId::LOCAL.to_string()], limit)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(given.iter().cloned().chain(kept).collect())
}

fn limit(row: &Row<'_>) -> rusqlite::Result<Limit> {
    let tag: String = row.get(1)?;
    Ok(Limit {
        scope: Scope { period: named(row, 0)?, tag: (!tag.is_empty()).then_some(tag) },
        set_by: named(row, 2)?,
        most: Usd::from_pico(row.get(3)?),
        on_breach: named(row, 4)?,
    })
}

/// Says how the period that a time is in stands now, but for what a request has reserved itself.
fn standing(
    connection: &Connection,
    limit: Limit,
    at: Timestamp,
    now: Timestamp,
    but_for: Option<RequestId>,
) -> rusqlite::Result<Standing> {
    let user_id = UserId::LOCAL.to_string();
    let (from, to) = limit.scope.period.bounds(at);
    let (from, to) = (from.as_microsecond(), to.as_microsecond());
    let amount = |row: &Row<'_>| Pico::read(row, 0).map(Pico::usd);
    let spent = match &limit.scope.tag {
        None => connection
            .prepare_cached(
                "select coalesce(sum(cost_high), 0), coalesce(sum(cost_low), 0) from request_sums \
                 where user_id = ?1 and start >= ?2 and start < ?3",
            )?
            .query_row(params![user_id, from, to], amount)?,
        Some(tag) => {
            // Looked up one by one, as there may be many tags.
            let quarters: Vec<i64> =
                (0..).map(|number| from + number * QUARTER).take_while(|start| *start < to).collect();
            let quarters = serde_json::to_string(&quarters).map_err(|error| unreadable(0, error))?;
            connection
                .prepare_cached(
                    "select coalesce(sum(cost_high), 0), coalesce(sum(cost_low), 0) from request_tag_sums \
                     where user_id = ?1 and start in (select value from json_each(?2)) and tag = ?3",
                )?
                .query_row(params![user_id, quarters, tag], amount)?
        }
    };
    let reserved = connection
        .prepare_cached(
            "select coalesce(sum(amount_pico >> 32), 0), coalesce(sum(amount_pico & 4294967295), 0) \
             from budget_reservations r where user_id = ?1 and created_at >= ?2 and created_at < ?3 \
             and expires_at > ?6 and request_id <> ?4 and (?5 is null or exists (select 1 from json_each(r.tags) where value = ?5))",
        )?
        .query_row(
            params![
                user_id,
                from,
                to,
                but_for.map(|id| id.to_string()).unwrap_or_default(),
                limit.scope.tag,
                now.as_microsecond()
            ],
            amount,
        )?;
    Ok(Standing { limit, spent, reserved })
}
