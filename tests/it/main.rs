//! The one integration binary: each module drives one adapter or surface from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose setting cannot be built, or that meets an answer of another shape, has failed"
)]

mod arms;
mod audits;
mod auth;
mod budgets;
mod cache_eval;
mod canaries;
mod config;
mod contract;
mod counting;
#[cfg(unix)]
mod crash;
mod dashboard;
mod doctor;
mod embedding;
#[cfg(target_os = "linux")]
mod endurance;
mod experiments;
mod faults;
mod flow;
mod forecast;
// Its server listens on a socket in a folder.
#[cfg(unix)]
mod fuzz;
// It is told to end by a signal.
#[cfg(unix)]
mod http;
mod install;
mod learning;
mod ledger;
mod machine;
mod migrate;
mod money;
mod packaging;
mod prices;
mod privacy;
mod project_faults;
mod project_tokens;
mod providers;
mod realtime;
mod route_eval;
mod routing_nonsense;
mod second_bills;
mod simulation;
mod stdio;
mod store;
// Permissions, mounts and signals as Unix has them; the store's contract is tested everywhere.
#[cfg(unix)]
mod store_faults;
mod team;
mod tidy;
mod verdicts;
