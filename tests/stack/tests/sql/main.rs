//! The SQL of a project on a real PostgreSQL: what it does, what it refuses, and whom it shows nothing.

mod arguments;
mod attacks;
mod calibration;
mod eviction;
mod lints;
mod migrations;
mod ratings;
mod recall;
mod records;
mod reports;
mod samples;
