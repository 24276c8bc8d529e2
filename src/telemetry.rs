//! Logs, on stderr: stdout belongs to the protocol and to results.
//!
//! Prompts, answers and keys are in no log. rmcp logs whole requests at debug, so it is kept at warn whatever
//! level is set.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Starts logging at a level, to a file instead of stderr if one is named.
pub fn start(level: Level, file: Option<&Path>) -> anyhow::Result<()> {
    let writer = match file {
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("--log-file {} cannot be opened", path.display()))?;
            BoxMakeWriter::new(Mutex::new(file))
        }
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let ours = level.to_string().to_lowercase();
    let filter = EnvFilter::new(format!("warn,ai_cost_optimizer={ours}"));
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(filter).init();
    Ok(())
}
