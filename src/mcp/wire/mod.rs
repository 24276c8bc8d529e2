//! The JSON contract of the tools: what comes in, what goes out.
//!
//! Fields that do not apply are absent. Money is in decimal US dollars, exact to the pico-dollar below
//! $2,251; the snapshots in `tests/` guard the shape.

pub mod plan;
pub mod report;
pub mod request;
pub mod route;
