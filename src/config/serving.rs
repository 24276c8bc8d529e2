//! How the server is offered: which tools, and what seals the state of calls in several steps.

use secrecy::{ExposeSecret as _, SecretString};

use super::Values;

/// Bytes that a key which seals must have.
const SHORTEST_KEY: usize = 32;

/// How the server is offered.
#[derive(Debug, Clone, Default)]
pub struct ServingConfig {
    /// `COST_OPTIMIZER_READ_ONLY` or `--read-only`; default: all tools.
    pub is_read_only: bool,
    /// `COST_OPTIMIZER_TOOLS` or `--tools`, names with commas between; default: all tools.
    pub tools: Option<Vec<String>>,
    /// `COST_OPTIMIZER_STATE_KEY`; default: one of the process's own, so that no other process knows its questions.
    pub state_key: Option<SecretString>,
}

impl ServingConfig {
    pub(super) fn read(values: &Values) -> anyhow::Result<Self> {
        let state_key = values.secret("COST_OPTIMIZER_STATE_KEY")?;
        if state_key.as_ref().is_some_and(|key| key.expose_secret().len() < SHORTEST_KEY) {
            anyhow::bail!("COST_OPTIMIZER_STATE_KEY is too short; accepted: {SHORTEST_KEY} bytes or more");
        }
        Ok(Self {
            is_read_only: values
                .parsed("COST_OPTIMIZER_READ_ONLY", "true or false", |text| text.parse().ok())?
                .unwrap_or_default(),
            tools: values.text("COST_OPTIMIZER_TOOLS").map(names),
            state_key,
        })
    }
}

/// Splits names at commas.
pub fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
