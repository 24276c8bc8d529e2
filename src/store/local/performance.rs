//! Rows of `model_performance_history`: how well each model did day by day.

use jiff::civil::Date;
use rusqlite::{Connection, params};

use super::columns::{count, model};
use crate::domain::ids::UserId;
use crate::domain::model::ModelRef;
use crate::domain::outcome::DayOfModel;

/// Outcomes of one session that count: nobody's mood speaks for a model.
const OF_A_SESSION: i64 = 20;
const KEPT_DAYS: i64 = 400;
const MICROSECONDS: i64 = 86_400_000_000;

/// Sums a model's outcomes of a day anew.
pub(super) fn note(connection: &Connection, reference: &ModelRef, day: Date) -> rusqlite::Result<()> {
    let (user_id, day) = (UserId::LOCAL.to_string(), DayOfModel::number(day));
    let first = day * MICROSECONDS;
    connection
        .prepare_cached(
            "insert into model_performance_history (user_id, provider, model, day, outcomes, score_sum) \
             select ?1, ?2, ?3, ?4, sum(s.counted), sum(s.counted * s.mean) from ( \
             select min(count(*), ?7) as counted, avg(f.score) as mean from routing_feedback f \
             left join requests r on r.user_id = f.user_id and r.id = f.request_id \
             where f.user_id = ?1 and f.provider = ?2 and f.model = ?3 and f.score is not null \
             and f.created_at >= ?5 and f.created_at < ?6 group by coalesce(r.session, f.request_id)) s \
             having count(*) > 0 \
             on conflict do update set outcomes = excluded.outcomes, score_sum = excluded.score_sum",
        )?
        .execute(params![
            user_id,
            reference.provider.as_str(),
            reference.model,
            day,
            first,
            first + MICROSECONDS,
            OF_A_SESSION
        ])?;
    connection
        .prepare_cached("delete from model_performance_history where user_id = ?1 and day < ?2")?
        .execute(params![user_id, day - KEPT_DAYS])?;
    Ok(())
}

/// Lists how well each model did on each day from one on, oldest first.
pub(super) fn read(connection: &Connection, from_day: Date) -> rusqlite::Result<Vec<DayOfModel>> {
    let mut statement = connection.prepare_cached(
        "select provider, model, day, outcomes, score_sum from model_performance_history \
         where user_id = ?1 and day >= ?2 order by day, provider, model",
    )?;
    let mut rows = statement.query(params![UserId::LOCAL.to_string(), DayOfModel::number(from_day)])?;
    let mut days = Vec::new();
    while let Some(row) = rows.next()? {
        let day = DayOfModel::date(row.get(2)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, 0))?;
        let (outcomes, score_sum) = (count(row, 3)?, row.get(4)?);
        days.push(DayOfModel { reference: model(row, 0)?, day, outcomes, score_sum });
    }
    Ok(days)
}
