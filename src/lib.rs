//! The architecture page is written when the house stands.

pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod cost;
pub mod domain;
pub mod embed;
pub mod mcp;
pub mod pipeline;
pub mod providers;
pub mod routing;
pub mod store;
pub mod telemetry;
