//! Domain values as SQLite keeps them: counts as signed integers, times as microseconds, names as text,
//! vectors as bytes.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::domain::embedding::Embedding;
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;

/// Makes an integer that SQLite can hold; a count past its end is cut there.
pub(super) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Makes a count of tokens that SQLite can sum: no request has 2³² of them, and a provider that says so is not
/// to break every sum.
pub(super) fn tokens(count: u64) -> i64 {
    i64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Reads a count.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// Reads an amount that may be absent.
pub(super) fn money(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Usd>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Usd::from_pico))
}

/// Reads a time.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| unreadable(column, error))
}

/// Reads a value by its name.
pub(super) fn named<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let name: String = row.get(column)?;
    name.parse().map_err(|error| unreadable(column, error))
}

/// Reads a value by its name, where there is one.
pub(super) fn named_if_any<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let name: Option<String> = row.get(column)?;
    name.map(|name| name.parse().map_err(|error| unreadable(column, error))).transpose()
}

/// Reads a model from a column and the one after it.
pub(super) fn model(row: &Row<'_>, column: usize) -> rusqlite::Result<ModelRef> {
    Ok(ModelRef { provider: named(row, column)?, model: row.get(column + 1)? })
}

/// Reads a model from a column and the one after it, where both say something.
pub(super) fn model_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ModelRef>> {
    let provider = named_if_any(row, column)?;
    let model: Option<String> = row.get(column + 1)?;
    Ok(provider.zip(model).map(|(provider, model)| ModelRef { provider, model }))
}

/// Says that a column holds something that this program did not write.
pub(super) fn unreadable(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Writes little-endian `f32`s.
pub(super) fn to_bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.as_slice().iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Reads little-endian `f32`s; bytes that are left over are dropped.
pub(super) fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}
