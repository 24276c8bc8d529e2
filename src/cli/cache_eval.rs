//! `cache-eval`: how a cache policy would do on labelled texts, one subcommand an experiment.
//!
//! A label is read for the counts only, never for a decision. stdout carries JSON lines.

mod pairs;
mod policy;
mod records;
mod replay;
mod stream;
mod vcache;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use self::policy::Policy;
use super::Exit;
use crate::app::{embedder_choice, weights_source};
use crate::cache::admission::DEFAULT_ERROR_RATE;
use crate::config::Config;
use crate::embed::minilm::MiniLm;
use crate::embed::weights::Reach;

#[derive(Debug, Subcommand)]
pub(super) enum CacheEvalCommand {
    /// Decide for pairs of prompts whether the answer to the one would be served for the other
    Pairs(PairsArguments),
    /// Send prompts in a random order through a policy that starts from nothing
    Stream(stream::StreamArguments),
    /// Print what the verifier sees in each pair, as tab-separated values, to train it on
    #[command(hide = true)]
    Features(FeaturesArguments),
}

#[derive(Debug, Args)]
pub(super) struct PairsArguments {
    /// Tab-separated with a header, or JSON lines: text_a and text_b (or a and b), and if you like id, label
    /// (or same_answer; 1: the answer to a also answers b), context_a and context_b
    file: PathBuf,
    /// ours, plain:T for a cosine of at least T, or answers: whether two answers say the same
    #[arg(long, default_value = "ours")]
    policy: Policy,
    /// The share of hits that may be wrong, in (0, 1); ours serves from the score that keeps it for the shipped labels
    #[arg(long, default_value_t = DEFAULT_ERROR_RATE, value_parser = share)]
    delta: f64,
}

#[derive(Debug, Args)]
pub(super) struct FeaturesArguments {
    /// As for `pairs`
    file: PathBuf,
}

pub(super) fn run(config: &Config, command: &CacheEvalCommand) -> anyhow::Result<Exit> {
    match command {
        CacheEvalCommand::Pairs(arguments) => pairs::decide_all(config, arguments),
        CacheEvalCommand::Stream(arguments) => stream::run(config, arguments),
        CacheEvalCommand::Features(arguments) => pairs::print_features(config, &arguments.file),
    }
}

/// Loads the program's embedder on this thread: nobody else waits for it here.
pub(super) fn embedder(config: &Config) -> anyhow::Result<MiniLm> {
    let weights = weights_source(config)?.load(Reach::HubThenPip)?;
    Ok(MiniLm::new(&weights, embedder_choice(config)?)?)
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "a share between 0 and 1, such as 0.02".to_owned())
}

/// Shows on stderr how far a long loop is.
pub(super) fn progress(steps: usize, message: &'static str) -> ProgressBar {
    ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX)).with_message(message)
}
