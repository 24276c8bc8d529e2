//! Pure: which arm a request belongs to, and what the outcomes of the arms prove.
//!
//! A store keeps the [`definition`] and sums up outcomes into [`sums`]; [`assignment`] names the arm of a unit;
//! [`verdict::report`] judges the sums. A report may be asked for at any time, as often as one likes: its intervals and
//! p-values allow for that ([`sequence`]). A mean that is merely higher never makes a winner.

pub mod assignment;
pub mod bounded;
pub mod definition;
pub mod estimate;
pub mod fixed;
pub mod holm;
pub mod judge;
pub mod lifecycle;
pub mod needed;
pub mod outcomes;
pub mod plan;
pub mod planning;
pub mod sample_ratio;
pub mod sequence;
pub mod standing;
pub mod sums;
pub mod timeline;
pub mod validation;
pub mod verdict;
mod why;
