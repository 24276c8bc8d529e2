//! The server's own books: what is in them counts against a limit, whatever the user does to his rows.

use std::time::Duration;

use ai_cost_optimizer::budget::admission::Admission;
use ai_cost_optimizer::domain::ids::UserId;
use ai_cost_optimizer::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::RequestRecord;
use ai_cost_optimizer::store::Ask;
use ai_cost_optimizer::store::tally::Tally;
use futures::future::join_all;

use super::samples::{later, no_limits, record};

const DAY: i64 = 24 * 60 * 60;

fn user(name: char) -> UserId {
    format!("5a3b6f0e-0000-4000-8000-00000000000{name}").parse().unwrap()
}

/// A day's limit of 1,000, and one of 400 for a tag, asked so many seconds from now; reservations live for a minute.
fn ask(seconds: i64) -> Ask {
    let limit = |tag: Option<&str>, pico: i64| Limit {
        scope: Scope { period: Period::Day, tag: tag.map(str::to_owned) },
        most: Usd::from_pico(pico),
        on_breach: OnBreach::Block,
        set_by: SetBy::Config,
    };
    let limits = vec![limit(None, 1_000), limit(Some("team-a"), 400)];
    Ask { limits, now: later(seconds), lease: Duration::from_secs(60), ..no_limits() }
}

/// A request that may cost so much, with a tag or not.
fn intent(worst_case: i64, tag: Option<&str>, seconds: i64) -> RequestRecord {
    RequestRecord {
        worst_case: Some(Usd::from_pico(worst_case)),
        tags: tag.map(str::to_owned).into_iter().collect(),
        created_at: later(seconds),
        ..record(0)
    }
}

async fn is_admitted(tally: &Tally, name: char, intent: &RequestRecord, ask: &Ask) -> bool {
    let (admission, _) = tally.begin(user(name), intent, ask).await.unwrap();
    matches!(admission, Admission::Admitted(_))
}

#[tokio::test]
async fn the_books_are_opened_by_many_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let openers = (0..8).map(|_| {
            let tally = Tally::new(folder.path().join("new").join("tally.sqlite3"));
            async move { is_admitted(&tally, 'a', &intent(1, None, 0), &ask(0)).await }
        });
        assert_eq!(join_all(openers).await, [true; 8]);
    }
}

#[tokio::test]
async fn what_is_spent_and_reserved_never_passes_a_users_limit_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tally.sqlite3");
    let tally = Tally::new(path.clone());
    let first = intent(600, None, 0);
    assert!(is_admitted(&tally, 'a', &first, &ask(0)).await);
    let second = intent(500, None, 1);
    assert!(!is_admitted(&tally, 'a', &second, &ask(1)).await, "600 are reserved");
    assert!(is_admitted(&tally, 'b', &second, &ask(1)).await, "another user has a limit of his own");
    tally.settle(user('a'), first.id, Usd::from_pico(450)).await.unwrap();
    assert!(is_admitted(&tally, 'a', &second, &ask(2)).await, "450 were spent");
    // A second, larger reservation replaces the first; where the store refuses it, the first is back.
    let larger = RequestRecord { worst_case: Some(Usd::from_pico(550)), ..second.clone() };
    let (_, before) = tally.begin(user('a'), &larger, &ask(3)).await.unwrap();
    let one_more = intent(50, None, 4);
    assert!(!is_admitted(&tally, 'a', &one_more, &ask(4)).await);
    tally.undo(user('a'), larger.id, before).await.unwrap();
    assert!(is_admitted(&tally, 'a', &one_more, &ask(5)).await);
    // Who began for the first time is gone after that.
    let (other, next) = (intent(500, None, 5), intent(500, None, 6));
    let (_, before) = tally.begin(user('b'), &other, &ask(5)).await.unwrap();
    assert!(!is_admitted(&tally, 'b', &next, &ask(6)).await);
    tally.undo(user('b'), other.id, before).await.unwrap();
    assert!(is_admitted(&tally, 'b', &next, &ask(6)).await);

    // Another process has the same books; a reservation that nobody settled is over in a minute.
    let tally = Tally::new(path);
    let rest = intent(550, None, 100);
    assert!(!is_admitted(&tally, 'a', &rest, &ask(30)).await);
    assert!(is_admitted(&tally, 'a', &rest, &ask(100)).await);
    // A new day is a new limit.
    assert!(is_admitted(&tally, 'a', &intent(1_000, None, DAY), &ask(DAY)).await);
}

#[tokio::test]
async fn a_tags_limit_counts_its_requests_alone_and_old_rows_go() {
    let folder = tempfile::tempdir().unwrap();
    let tally = Tally::new(folder.path().join("tally.sqlite3"));
    let tagged = intent(300, Some("team-a"), 0);
    assert!(is_admitted(&tally, 'a', &tagged, &ask(0)).await);
    tally.settle(user('a'), tagged.id, Usd::from_pico(300)).await.unwrap();
    assert!(!is_admitted(&tally, 'a', &intent(200, Some("team-a"), 1), &ask(1)).await);
    assert!(is_admitted(&tally, 'a', &intent(200, Some("team-b"), 1), &ask(1)).await);
    tally.forget_old(later(30 * DAY)).await.unwrap();
    assert!(!is_admitted(&tally, 'a', &intent(600, None, 2), &ask(2)).await, "a month's limit may count it");
    tally.forget_old(later(50 * DAY)).await.unwrap();
    assert!(is_admitted(&tally, 'a', &intent(1_000, None, 3), &ask(3)).await);
}
