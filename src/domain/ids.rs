//! Names of rows: UUIDv7, so that they sort by time.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id (a UUID as `route_prompt` returns it)")]
pub struct NotAnId(String);

/// Names one routed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Uuid);

/// Names one cached answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(Uuid);

/// Names one experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExperimentId(Uuid);

/// Names the tenant: one authenticated user, or the one fixed user of the local store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// The one user of the local store.
    pub const LOCAL: Self = Self(Uuid::from_u128(1));
}

impl RequestId {
    /// Makes a new id that sorts after all earlier ones.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl EntryId {
    /// Makes a new id that sorts after all earlier ones.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl ExperimentId {
    /// Makes a new id that sorts after all earlier ones.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for EntryId {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for ExperimentId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for RequestId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse(text).map(Self)
    }
}

impl FromStr for EntryId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse(text).map(Self)
    }
}

impl FromStr for ExperimentId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse(text).map(Self)
    }
}

impl FromStr for UserId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse(text).map(Self)
    }
}

fn parse(text: &str) -> Result<Uuid, NotAnId> {
    Uuid::try_parse(text.trim()).map_err(|_| NotAnId(text.chars().take(64).collect()))
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
