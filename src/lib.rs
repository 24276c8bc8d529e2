//! The architecture page is written when the house stands.

pub mod cache;
pub mod config;
pub mod cost;
pub mod domain;
pub mod embed;
pub mod pipeline;
pub mod providers;
pub mod routing;
pub mod store;
