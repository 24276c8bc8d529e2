//! What every store does, shown on the local one.

mod contract;
mod records;
mod samples;
