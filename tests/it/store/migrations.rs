//! The local store only: a file of an earlier version becomes one of this version, and loses nothing.

use std::path::Path;

use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::domain::report::{GroupBy, ReportQuery};
use ai_cost_optimizer::store::Store;
use ai_cost_optimizer::store::local::{LocalStore, SCHEMA_VERSION};
use jiff::Timestamp;
use rusqlite::Connection;
use strum::VariantArray as _;

use super::samples::{later, no_limits, record};

const FIRST_SCHEMA: &str = include_str!("../../../migrations/local/0001_requests_and_cache.sql");

/// Makes a file of the first version with the requests of another file.
fn as_of_the_first_version(path: &Path, requests_of: &Path) {
    let file = Connection::open(path).unwrap();
    file.execute_batch(FIRST_SCHEMA).unwrap();
    file.execute("attach ?1 as newer", [requests_of.to_str().unwrap()]).unwrap();
    let columns: String = file
        .query_row("select group_concat(name) from pragma_table_info('requests')", [], |row| row.get(0))
        .unwrap();
    file.execute_batch(&format!(
        "insert into requests ({columns}) select {columns} from newer.requests; pragma user_version = 1"
    ))
    .unwrap();
}

#[tokio::test]
async fn reports_of_an_older_file_are_those_of_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, older_path) = (folder.path().join("new.sqlite3"), folder.path().join("old.sqlite3"));
    let store = LocalStore::new(path.clone());
    for number in 0..200_i64 {
        let mut request = RequestRecord { created_at: later(number * 1_711), ..record(number * 1_000_003) };
        request.tags =
            [["a"], ["b"]].into_iter().flatten().take(number as usize % 3).map(str::to_owned).collect();
        if number % 7 == 0 {
            store
                .begin_request(RequestRecord { status: RequestStatus::Intent, ..request }, no_limits())
                .await
                .unwrap();
        } else {
            store.record_request(request, None).await.unwrap();
        }
    }
    as_of_the_first_version(&older_path, &path);
    let older = LocalStore::new(older_path.clone());
    for group_by in GroupBy::VARIANTS.iter().copied().map(Some) {
        for (from, to) in [(Timestamp::MIN, Timestamp::MAX), (later(12_345), later(234_567))] {
            let query = ReportQuery { from, to, group_by };
            let report = older.cost_report(query).await.unwrap();
            assert_eq!(report, store.cost_report(query).await.unwrap(), "{query:?}");
            assert!(report.totals.requests > 100 && report.totals.unsettled_requests > 10, "{report:?}");
        }
    }
    let version: i64 = Connection::open(older_path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, SCHEMA_VERSION);
}
