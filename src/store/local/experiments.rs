//! Rows of `experiments`.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, named_params, params};
use serde_json::json;

use super::columns::{named, named_if_any, time, unreadable};
use crate::domain::ids::{ExperimentId, UserId};
use crate::experiments::lifecycle::{Adopted, Change, Ended, Kept, Status, Which};
use crate::store::Started;

const COLUMNS: &str =
    "id, definition, status, created_at, ended_by, ended_at, adopted, adopted_at, idempotency_key";

/// Keeps a new experiment, unless something is in its way.
pub(super) fn start(transaction: &Transaction<'_>, new: &Kept) -> rusqlite::Result<Started> {
    let user_id = UserId::LOCAL.to_string();
    let knobs: Vec<&'static str> = new.experiment.knobs().into_iter().map(Into::into).collect();
    let one = |condition: &str, value: &str| {
        transaction
            .prepare_cached(&format!("select {COLUMNS} from experiments where user_id = ?1 and {condition}"))?
            .query_row(params![user_id, value], kept)
            .optional()
    };
    if let Some(key) = &new.idempotency_key
        && let Some(same) = one("idempotency_key = ?2", key)?
    {
        return Ok(Started::Before(Box::new(same)));
    }
    if one("name = ?2", new.name())?.is_some() {
        return Ok(Started::NameTaken);
    }
    let knobs = json!(knobs).to_string();
    let taken: Option<(String, String)> = transaction
        .prepare_cached(
            "select e.name, mine.value from experiments e, json_each(e.knobs) theirs, json_each(?2) mine \
             where e.user_id = ?1 and e.status = 'active' and theirs.value = mine.value limit 1",
        )?
        .query_row(params![user_id, knobs], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((by, knob)) = taken {
        return Ok(Started::KnobTaken { knob, by });
    }
    transaction
        .prepare_cached(
            "insert into experiments (user_id, id, name, definition, knobs, status, created_at, idempotency_key) \
             values (:user_id, :id, :name, :definition, :knobs, :status, :created_at, :idempotency_key)",
        )?
        .execute(named_params! {
            ":user_id": user_id,
            ":id": new.id.to_string(),
            ":name": new.name(),
            ":definition": json!(new.experiment).to_string(),
            ":knobs": knobs,
            ":status": new.status.to_string(),
            ":created_at": new.created_at.as_microsecond(),
            ":idempotency_key": new.idempotency_key,
        })?;
    Ok(Started::New)
}

/// Lists experiments, newest first.
pub(super) fn list(connection: &Connection, which: &Which) -> rusqlite::Result<Vec<Kept>> {
    let (condition, name) = match which {
        Which::All => ("?2 is null", None),
        Which::InForce => {
            ("?2 is null and (status = 'active' or status = 'stopped' and adopted is not null)", None)
        }
        Which::Named(name) => ("name = ?2", Some(name)),
    };
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from experiments where user_id = ?1 and {condition} order by id desc"
        ))?
        .query_map(params![UserId::LOCAL.to_string(), name], kept)?
        .collect()
}

/// Changes an experiment; says whether it was in a state to be changed so.
pub(super) fn change(connection: &Connection, id: ExperimentId, change: &Change) -> rusqlite::Result<bool> {
    let (user_id, id) = (UserId::LOCAL.to_string(), id.to_string());
    let changed = match change {
        Change::End(Ended { by, at }) => connection
            .prepare_cached(
                "update experiments set status = 'stopped', ended_by = ?3, ended_at = ?4 \
                 where user_id = ?1 and id = ?2 and status = 'active'",
            )?
            .execute(params![user_id, id, by.to_string(), at.as_microsecond()])?,
        Change::Adopt(Adopted { arm, at }) => connection
            .prepare_cached(
                "update experiments set adopted = ?3, adopted_at = ?4 \
                 where user_id = ?1 and id = ?2 and status = 'stopped'",
            )?
            .execute(params![user_id, id, arm, at.as_microsecond()])?,
        Change::Archive => connection
            .prepare_cached(
                "update experiments set status = 'archived' where user_id = ?1 and id = ?2 and status = 'stopped'",
            )?
            .execute(params![user_id, id])?,
    };
    Ok(changed > 0)
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let definition: String = row.get(1)?;
    let optional_time =
        |column: usize| row.get::<_, Option<i64>>(column)?.map(|_| time(row, column)).transpose();
    let ended = named_if_any(row, 4)?.zip(optional_time(5)?).map(|(by, at)| Ended { by, at });
    let adopted: Option<String> = row.get(6)?;
    Ok(Kept {
        id: named(row, 0)?,
        experiment: serde_json::from_str(&definition).map_err(|error| unreadable(1, error))?,
        status: named::<Status>(row, 2)?,
        created_at: time(row, 3)?,
        ended,
        adopted: adopted.zip(optional_time(7)?).map(|(arm, at)| Adopted { arm, at }),
        idempotency_key: row.get(8)?,
    })
}
