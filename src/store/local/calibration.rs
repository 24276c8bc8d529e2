//! Rows of `calibration`, and what is kept level with them: the present epochs and the sums over all scopes.
//!
//! The sums are there so that a tenant of many scopes is asked for as quickly as one of few.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params, params};

use super::columns::count;
use crate::domain::evidence::{CacheEvidence, EvidenceKey, Label, LabelCounts};
use crate::domain::ids::UserId;

/// Finds the labels of a scope in its present epoch, and those of all scopes in theirs.
pub(super) fn evidence(connection: &mut Connection, key: &EvidenceKey) -> rusqlite::Result<CacheEvidence> {
    // All of it is of one moment, whatever is written meanwhile.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let user_id = UserId::LOCAL.to_string();
    let EvidenceKey { scope, fingerprint } = key;
    let epoch = present_epoch(&transaction, key)?;
    let of_scope = transaction
        .prepare_cached(
            "select cell, right_labels, wrong_labels, undecided_labels, audits from calibration \
             where user_id = ?1 and scope_hash = ?2 and embedder_fingerprint = ?3 and epoch = ?4 order by cell",
        )?
        .query_map(params![user_id, scope.0, fingerprint, epoch], cell)?
        .collect::<rusqlite::Result<_>>()?;
    // What was taken out with an epoch leaves its cell at nothing.
    let of_tenant = transaction
        .prepare_cached(
            "select cell, right_labels, wrong_labels, undecided_labels, audits from calibration_sums \
             where user_id = ?1 and embedder_fingerprint = ?2 \
             and right_labels + wrong_labels + undecided_labels > 0 order by cell",
        )?
        .query_map(params![user_id, fingerprint], cell)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(CacheEvidence { epoch, scope: of_scope, tenant: of_tenant })
}

/// Counts a label in its own epoch, and in the sums where that is the present one.
pub(super) fn count_label(transaction: &Transaction<'_>, label: &Label) -> rusqlite::Result<()> {
    let Label { key, epoch, cell, is_right, is_audit } = label;
    transaction
        .prepare_cached(
            "insert into calibration (user_id, scope_hash, embedder_fingerprint, epoch, cell, right_labels, \
             wrong_labels, undecided_labels, audits) \
             values (:user_id, :scope_hash, :fingerprint, :epoch, :cell, :right, :wrong, :undecided, :audits) \
             on conflict do update set right_labels = right_labels + excluded.right_labels, \
             wrong_labels = wrong_labels + excluded.wrong_labels, \
             undecided_labels = undecided_labels + excluded.undecided_labels, audits = audits + excluded.audits",
        )?
        .execute(named_params! {
            ":user_id": UserId::LOCAL.to_string(),
            ":scope_hash": key.scope.0,
            ":fingerprint": key.fingerprint,
            ":epoch": epoch,
            ":cell": cell,
            ":right": *is_right == Some(true),
            ":wrong": *is_right == Some(false),
            ":undecided": is_right.is_none(),
            ":audits": is_audit,
        })?;
    if *epoch != present_epoch(transaction, key)? {
        return Ok(());
    }
    transaction
        .prepare_cached(&add_to_sums(
            "values (:user_id, :fingerprint, :cell, :right, :wrong, :undecided, :audits)",
        ))?
        .execute(named_params! {
            ":user_id": UserId::LOCAL.to_string(),
            ":fingerprint": key.fingerprint,
            ":cell": cell,
            ":right": *is_right == Some(true),
            ":wrong": *is_right == Some(false),
            ":undecided": is_right.is_none(),
            ":audits": is_audit,
        })?;
    Ok(())
}

/// Ends an epoch, unless it is over; its labels leave the sums, and those that are in the next one already come in.
pub(super) fn end_epoch(
    transaction: &Transaction<'_>,
    key: &EvidenceKey,
    epoch: u32,
) -> rusqlite::Result<()> {
    if present_epoch(transaction, key)? != epoch {
        return Ok(());
    }
    let user_id = UserId::LOCAL.to_string();
    let EvidenceKey { scope, fingerprint } = key;
    let next = i64::from(epoch) + 1;
    transaction
        .prepare_cached(
            "insert into calibration_epochs (user_id, scope_hash, embedder_fingerprint, epoch) \
             values (?1, ?2, ?3, ?4) on conflict do update set epoch = excluded.epoch",
        )?
        .execute(params![user_id, scope.0, fingerprint, next])?;
    for (sign, epoch) in [(-1, next - 1), (1, next)] {
        transaction
            .prepare_cached(&add_to_sums(
                "select user_id, embedder_fingerprint, cell, ?1 * right_labels, ?1 * wrong_labels, \
                 ?1 * undecided_labels, ?1 * audits from calibration \
                 where user_id = ?2 and scope_hash = ?3 and embedder_fingerprint = ?4 and epoch = ?5",
            ))?
            .execute(params![sign, user_id, scope.0, fingerprint, epoch])?;
    }
    Ok(())
}

/// Words an addition to the sums.
fn add_to_sums(rows: &str) -> String {
    format!(
        "insert into calibration_sums (user_id, embedder_fingerprint, cell, right_labels, wrong_labels, \
         undecided_labels, audits) {rows} \
         on conflict do update set right_labels = right_labels + excluded.right_labels, \
         wrong_labels = wrong_labels + excluded.wrong_labels, \
         undecided_labels = undecided_labels + excluded.undecided_labels, audits = audits + excluded.audits"
    )
}

fn present_epoch(connection: &Connection, key: &EvidenceKey) -> rusqlite::Result<u32> {
    let epoch = connection
        .prepare_cached(
            "select epoch from calibration_epochs \
             where user_id = ?1 and scope_hash = ?2 and embedder_fingerprint = ?3",
        )?
        .query_row(params![UserId::LOCAL.to_string(), key.scope.0, key.fingerprint], |row| row.get(0))
        .optional()?;
    Ok(epoch.unwrap_or(0))
}

fn cell(row: &Row<'_>) -> rusqlite::Result<(String, LabelCounts)> {
    let counts = LabelCounts {
        right: count(row, 1)?,
        wrong: count(row, 2)?,
        undecided: count(row, 3)?,
        audits: count(row, 4)?,
    };
    Ok((row.get(0)?, counts))
}
