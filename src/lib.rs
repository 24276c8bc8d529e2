//! The architecture page is written when the house stands.

pub mod domain;
pub mod embed;
pub mod providers;
