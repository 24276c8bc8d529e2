//! Limits of what may be spent.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::money::Usd;

/// How long a limit holds before it begins anew. Days and months are UTC, whatever the machine's time zone.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Period {
    Day,
    Month,
}

impl Period {
    /// Gives the first day of the period that a time is in, and the first one after it.
    pub fn days(self, at: Timestamp) -> (Date, Date) {
        let today = at.to_zoned(TimeZone::UTC).date();
        match self {
            Self::Day => (today, today.tomorrow().unwrap_or(Date::MAX)),
            Self::Month => (today.first_of_month(), today.last_of_month().tomorrow().unwrap_or(Date::MAX)),
        }
    }

    /// Gives the first instant of the period that a time is in, and the first one after it.
    pub fn bounds(self, at: Timestamp) -> (Timestamp, Timestamp) {
        let (first, end) = self.days(at);
        let start = |day: Date, or: Timestamp| day.to_zoned(TimeZone::UTC).map_or(or, |day| day.timestamp());
        (start(first, Timestamp::MIN), start(end, Timestamp::MAX))
    }
}

/// What happens to a request that may go over a limit, mildest first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnBreach {
    /// It goes on, and says so.
    Warn,
    /// The best model is asked of those that still fit; where none does, it is refused.
    Downgrade,
    /// It is refused.
    #[default]
    Block,
}

/// Who set a limit.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SetBy {
    /// The environment or the TOML file.
    Config,
    Cli,
    /// A model, through the tool `set_budget`.
    Tool,
}

/// What a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    pub period: Period,
    /// Only requests with this tag; absent: all.
    pub tag: Option<String>,
}

impl Scope {
    /// Says whether a request with these tags counts.
    pub fn covers(&self, tags: &[String]) -> bool {
        self.tag.as_ref().is_none_or(|tag| tags.contains(tag))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let period = match self.period {
            Period::Day => "a day",
            Period::Month => "a month",
        };
        match &self.tag {
            Some(tag) => write!(f, "{period} for the tag `{tag}`"),
            None => f.write_str(period),
        }
    }
}

/// The most that may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    pub scope: Scope,
    /// From 0 on.
    pub most: Usd,
    pub on_breach: OnBreach,
    pub set_by: SetBy,
}

impl Limit {
    /// Says whether nothing passes this limit that `other`, of the same scope, would stop.
    pub fn is_as_tight_as(&self, other: &Self) -> bool {
        self.scope == other.scope && self.most <= other.most && self.on_breach >= other.on_breach
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({}, set by {})", self.most, self.scope, self.on_breach, self.set_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_and_end_at_utc_midnight_whatever_the_time_zone() {
        let bounds = |period: Period, at: &str| {
            let (from, to) = period.bounds(at.parse().unwrap());
            (from.to_string(), to.to_string())
        };
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(
            bounds(Period::Day, "2026-11-30T23:59:59.999999Z"),
            pair("2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z")
        );
        assert_eq!(
            bounds(Period::Day, "2026-12-01T01:00:00+02:00"),
            pair("2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z")
        );
        assert_eq!(
            bounds(Period::Month, "2028-02-29T12:00:00Z"),
            pair("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z")
        );
        assert_eq!(
            bounds(Period::Month, "2026-12-31T23:59:59Z"),
            pair("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
        );
    }

    #[test]
    fn only_less_and_stricter_is_as_tight() {
        let limit = Limit {
            scope: Scope { period: Period::Day, tag: None },
            most: Usd::from_pico(100),
            on_breach: OnBreach::Downgrade,
            set_by: SetBy::Config,
        };
        let milder = Limit { on_breach: OnBreach::Warn, ..limit.clone() };
        let lower = Limit { most: Usd::from_pico(99), set_by: SetBy::Tool, ..limit.clone() };
        let other = Limit { scope: Scope { period: Period::Month, tag: None }, ..limit };
        assert!(
            limit.is_as_tight_as(&limit) && limit.is_as_tight_as(&milder) && lower.is_as_tight_as(&limit)
        );
        assert!(
            !milder.is_as_tight_as(&limit) && !limit.is_as_tight_as(&lower) && !limit.is_as_tight_as(&other)
        );
    }
}
