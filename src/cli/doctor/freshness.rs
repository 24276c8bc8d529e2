//! What does not stay true: the clock, prices, and models that end.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Check, State};
use crate::app::App;
use crate::cost::calendar::{Event, Notice};
use crate::cost::catalogue::BUILT_IN_DATE;

/// Age from which prices are worth a warning.
const OLD_BUILT_IN_DAYS: i32 = 30;
const OLD_LIST_DAYS: i32 = 7;
/// How far ahead ends and price changes are told.
const AHEAD_DAYS: u16 = 60;

/// Judges this machine's clock without asking anybody.
pub(super) fn clock(now: Timestamp, has_later_requests: bool) -> Check {
    let today = day_of(now);
    let sentence = if today < BUILT_IN_DATE {
        format!("{today} is before this program was made ({BUILT_IN_DATE}); hint: set the clock")
    } else if has_later_requests {
        format!("{today}, but there are requests recorded later than now; hint: set the clock")
    } else {
        return Check::new("clock", State::Ok, &format!("{}", now.strftime("%Y-%m-%d %H:%M UTC")));
    };
    Check::new("clock", State::Warning, &sentence)
}

/// Tells how old the prices are: the built-in ones, and each live list.
pub(super) fn prices(app: &App, now: Timestamp) -> Vec<Check> {
    let today = day_of(now);
    let mut checks = vec![built_in_prices(today)];
    let sources = app.price_lists.iter().flat_map(|lists| &lists.sources);
    checks.extend(sources.map(|source| {
        let provider = source.provider();
        let list = app.pipeline.catalogue.live(provider);
        let found = list.map(|list| (day_of(list.fetched_at), list.priced()));
        live_prices(provider.as_str(), found, today)
    }));
    checks
}

fn built_in_prices(today: Date) -> Check {
    let age = days(BUILT_IN_DATE, today);
    let (state, hint) = if age > OLD_BUILT_IN_DAYS {
        (State::Warning, "; hint: update ai-cost-optimizer, or set [[prices]] in the TOML file")
    } else {
        (State::Ok, "")
    };
    Check::new("built-in prices", state, &format!("of {BUILT_IN_DATE}, {}{hint}", ago(age)))
}

fn live_prices(provider: &str, found: Option<(Date, usize)>, today: Date) -> Check {
    let name = format!("live prices {provider}");
    let Some((fetched_on, models)) = found else {
        let sentence = "none yet, the built-in ones hold; hint: run `ai-cost-optimizer prices refresh`";
        return Check::new(name, State::Ok, sentence);
    };
    let age = days(fetched_on, today);
    let (state, hint) = if age > OLD_LIST_DAYS {
        (State::Warning, "; hint: run `ai-cost-optimizer prices refresh`")
    } else {
        (State::Ok, "")
    };
    Check::new(name, state, &format!("of {fetched_on}, {}, {models} models{hint}", ago(age)))
}

/// Tells which models end soon, and whose prices will change.
pub(super) fn models(app: &App, now: Timestamp) -> Vec<Check> {
    let notices = app.pipeline.notices(now, AHEAD_DAYS);
    if notices.is_empty() {
        let sentence = format!("no end and no price change is known for the next {AHEAD_DAYS} days");
        return vec![Check::new("models", State::Ok, &sentence)];
    }
    let check = |Notice { reference, event }: Notice| {
        let what = if matches!(event, Event::PriceChanges(_)) { "price" } else { "model" };
        Check::new(format!("{what} {reference}"), State::Warning, &event.to_string())
    };
    notices.into_iter().map(check).collect()
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

fn ago(days: i32) -> String {
    match days {
        ..=0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        _ => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn check(found: &Check, state: State, words: &[&str]) {
        assert_eq!(found.state, state, "{found:?}");
        let text = format!("{} {} {}", found.name, found.detail, found.hint.as_deref().unwrap_or_default());
        for word in words {
            assert!(text.contains(word), "{word} is not in {text}");
        }
        assert!(state == State::Ok || found.hint.is_some(), "{found:?}");
    }

    #[test]
    fn a_clock_is_wrong_before_the_program_or_its_records() {
        let at = |text: &str| text.parse().unwrap();
        check(&clock(at("2026-11-25T10:00:00Z"), false), State::Ok, &["2026-11-25 10:00 UTC"]);
        check(&clock(at("2026-11-21T23:59:59Z"), false), State::Warning, &["2026-11-21", "2026-11-22"]);
        check(&clock(at("2026-11-25T10:00:00Z"), true), State::Warning, &["later than now"]);
    }

    #[test]
    fn prices_age() {
        check(&built_in_prices(date(2026, 12, 22)), State::Ok, &["30 days ago"]);
        check(&built_in_prices(date(2026, 12, 23)), State::Warning, &["31 days ago", "update"]);
        let list = |day: i8| live_prices("openrouter", Some((date(2026, 11, 1), 400)), date(2026, 11, day));
        check(&list(1), State::Ok, &["live prices openrouter", "2026-11-01", "today", "400 models"]);
        check(&list(8), State::Ok, &["7 days ago"]);
        check(&list(9), State::Warning, &["8 days ago", "prices refresh"]);
        check(&live_prices("cerebras", None, date(2026, 11, 1)), State::Ok, &["none yet", "prices refresh"]);
    }
}
