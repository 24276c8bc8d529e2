//! What every store does, shown on the local one.

mod contract;
mod migrations;
mod outcomes;
mod records;
mod reports;
mod samples;
