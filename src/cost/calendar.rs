//! What is known of the time to come: models that end, and prices that change.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::catalogue::Catalogue;
use super::models::Models;
use super::quote::PriceChange;
use crate::domain::model::ModelRef;

/// Something about a model that will not stay as it is; days are UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub reference: ModelRef,
    pub event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// It is not offered any more since a day.
    Ended { on: Date },
    /// It is offered until a day, so many days from now.
    Ends { on: Date, days: i32 },
    /// It will cost more, or less.
    PriceChanges(PriceChange),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { on } => {
                write!(f, "not offered any more since {on}; hint: replace it in the TOML file")
            }
            Self::Ends { on, days } => {
                write!(f, "offered until {on}, {days} days from now; hint: choose another in time")
            }
            Self::PriceChanges(PriceChange { on, percent }) => {
                write!(f, "{percent:+.0} % from {on}; estimates and bills follow by themselves")
            }
        }
    }
}

/// Lists what is known of some models for so many days ahead: ends first.
pub fn notices(
    models: &Models,
    catalogue: &Catalogue,
    references: &[ModelRef],
    now: Timestamp,
    days: u16,
) -> Vec<Notice> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let ends = references.iter().filter_map(|reference| {
        let on = retirement(models, catalogue, reference)?;
        Some(Notice { reference: reference.clone(), event: end(on, today, days)? })
    });
    let changes = references.iter().filter_map(|reference| {
        let change = catalogue.next_change(reference, now, days)?;
        Some(Notice { reference: reference.clone(), event: Event::PriceChanges(change) })
    });
    ends.chain(changes).collect()
}

/// Gives the day from which a model is not offered any more, by its live list or by what is built in.
pub fn retirement(models: &Models, catalogue: &Catalogue, reference: &ModelRef) -> Option<Date> {
    catalogue.listed_retirement(reference).or_else(|| models.retires(reference))
}

fn end(on: Date, today: Date, ahead: u16) -> Option<Event> {
    let days = today.until(on).map_or(0, |span| span.get_days());
    if days <= 0 {
        Some(Event::Ended { on })
    } else {
        (days <= i32::from(ahead)).then_some(Event::Ends { on, days })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelRow, PriceRow};
    use jiff::civil::date;

    #[test]
    fn an_end_is_told_as_many_days_ahead_as_asked() {
        let end = |on: Date| end(on, date(2026, 11, 25), 30);
        assert_eq!(end(date(2026, 11, 25)), Some(Event::Ended { on: date(2026, 11, 25) }));
        assert_eq!(end(date(2026, 12, 25)), Some(Event::Ends { on: date(2026, 12, 25), days: 30 }));
        assert_eq!(end(date(2026, 12, 26)), None);
    }

    #[test]
    fn ends_and_price_changes_of_the_models_that_are_asked_about_are_listed() {
        let row = ModelRow {
            provider: "gemini".into(),
            model: "gemini-x".into(),
            tier: "economy".into(),
            context_window: 1_000,
            max_output: 1_000,
            thinking_allowance: 0,
            quality_prior: None,
            streamed: None,
            source: String::new(),
            retires: Some("2026-12-01".into()),
        };
        let price = PriceRow {
            provider: "gemini".into(),
            model: "gemini-x".into(),
            input_usd_per_mtok: 1.0,
            output_usd_per_mtok: 1.0,
            cached_input_usd_per_mtok: None,
            cache_write_usd_per_mtok: None,
        };
        let models = Models::new(&[row]).unwrap();
        let catalogue = Catalogue::new(&[price]).unwrap();
        let reference = models.find("gemini/gemini-x").unwrap().reference;
        let now = "2026-11-25T23:00:00Z".parse().unwrap();
        let found = notices(&models, &catalogue, std::slice::from_ref(&reference), now, 30);
        let event = Event::Ends { on: date(2026, 12, 1), days: 6 };
        assert_eq!(found, [Notice { reference, event }]);
        assert!(event.to_string().contains("until 2026-12-01, 6 days"));
        let change = Event::PriceChanges(PriceChange { on: date(2027, 1, 1), percent: 100.0 });
        assert!(change.to_string().starts_with("+100 % from 2027-01-01"));
        assert_eq!(notices(&models, &catalogue, &[], now, 30), []);
    }
}
