//! The nouns of the program, in the order a request meets them.
//!
//! No I/O, no async, no clock and no wire format: those belong to the adapters and surfaces,
//! which convert to and from these types at their edge. A value that exists is valid.

pub mod answer;
pub mod decision;
pub mod embedding;
pub mod evidence;
pub mod exposure;
pub mod ids;
pub mod limit;
pub mod model;
pub mod money;
pub mod outcome;
pub mod prompt;
pub mod rating;
pub mod record;
pub mod report;
pub mod usage;
