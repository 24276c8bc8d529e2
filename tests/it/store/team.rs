//! The suite on a Supabase project, each test as a user of its own.

use super::Stores;

async fn stores() -> Option<Stores> {
    let user = super::stack::user()?;
    let folder = tempfile::tempdir().unwrap();
    let here = user.store(&folder.path().join("here")).await;
    let there = user.store(&folder.path().join("there")).await;
    Some(Stores { here, there, _folder: folder })
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
