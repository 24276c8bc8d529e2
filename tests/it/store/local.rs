//! The suite on a SQLite file.

use std::sync::Arc;

use ai_cost_optimizer::store::Store;
use ai_cost_optimizer::store::local::LocalStore;

use super::Stores;

async fn stores() -> Option<Stores> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder").join("store.sqlite3");
    let open = || -> Arc<dyn Store> { Arc::new(LocalStore::new(path.clone())) };
    Some(Stores { here: open(), there: open(), _folder: folder })
}

#[path = "budgets.rs"]
mod budgets;
#[path = "calibration.rs"]
mod calibration;
#[path = "contract.rs"]
mod contract;
#[path = "experiments.rs"]
mod experiments;
#[path = "exposures.rs"]
mod exposures;
#[path = "forgetting.rs"]
mod forgetting;
#[path = "outcomes.rs"]
mod outcomes;
#[path = "pairs.rs"]
mod pairs;
#[path = "past.rs"]
mod past;
#[path = "records.rs"]
mod records;
#[path = "reports.rs"]
mod reports;
