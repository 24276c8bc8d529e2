//! `route-eval`: how routing would do on prompts whose answers by several models are known.
//!
//! A task's name is never read, and a score only where the program would have seen it: in training, and to count up the
//! result. stdout carries JSON lines, one a test prompt and a summary.

mod cost_line;
mod embeddings;
mod learner;
mod rows;
mod score;
mod tally;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use self::embeddings::Embeddings;
use self::learner::{Learner, Setting};
use self::rows::{Data, read};
use self::tally::{Decided, Tally};
use super::{Exit, print};
use crate::config::Config;
use crate::domain::decision::{Quality, StrategyName};

#[derive(Debug, Args)]
pub(super) struct RouteEvalArguments {
    /// Outcomes to learn from. JSON lines: id, prompt, and models: {NAME: {q: 0 to 1, cost: USD or
    /// price_per_m_tokens, response: its answer}}. Without any cost, a call to the best model counts 1 and others 0
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Prompts to decide, in the same form; their scores only count up the result
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// Learn from so many prompts, drawn at random, instead of all
    #[arg(long, value_name = "N")]
    labels: Option<usize>,
    /// full: of each prompt every model's outcome is learned; bandit: only that of the model that was chosen, and of one that is tried beside it, ever more rarely
    #[arg(long, value_enum, default_value_t = Feedback::Full)]
    feedback: Feedback,
    /// What decides the order and choice of prompts to learn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// complexity, length (longer prompts first), learning, hybrid or fixed:MODEL
    #[arg(long, default_value = "hybrid")]
    strategy: Router,
    /// The share of the best single model's quality to keep: 0.9 (economy), 0.95 (balanced) or 1 (best)
    #[arg(long, default_value = "0.95", value_parser = quality)]
    floor: Quality,
    /// Ask this model first and judge its answer; the decision is whether to ask the other one too
    #[arg(long, value_name = "MODEL")]
    cascade: Option<String>,
    /// Keep the embeddings of prompts in this file, so that the next run need not make them
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
}

/// What is learned from a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Feedback {
    Full,
    Bandit,
}

/// What decides.
#[derive(Debug, Clone, PartialEq)]
enum Router {
    Strategy(StrategyName),
    /// By the prompt's length alone.
    Length,
    /// Always this model.
    Fixed(String),
}

impl FromStr for Router {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("fixed", model)) if !model.is_empty() => Ok(Self::Fixed(model.to_owned())),
            _ if text == "length" => Ok(Self::Length),
            _ => text
                .parse()
                .map(Self::Strategy)
                .map_err(|_| "complexity, length, learning, hybrid or fixed:MODEL".to_owned()),
        }
    }
}

fn quality(text: &str) -> Result<Quality, String> {
    match text.parse::<f64>() {
        Ok(0.9) => Ok(Quality::Economy),
        Ok(0.95) => Ok(Quality::Balanced),
        Ok(1.0) => Ok(Quality::Best),
        _ => Err("0.9, 0.95 or 1".to_owned()),
    }
}

pub(super) fn run(config: &Config, arguments: &RouteEvalArguments) -> anyhow::Result<Exit> {
    let Data { models, mut train, test } = read(&arguments.train, &arguments.test)?;
    fastrand::Rng::with_seed(arguments.seed).shuffle(&mut train);
    train.truncate(arguments.labels.unwrap_or(usize::MAX));
    if let Router::Fixed(name) = &arguments.strategy {
        ensure!(models.place(name).is_some(), "--strategy fixed:{name}: the files have {}", models.names());
    }
    let cascade = match &arguments.cascade {
        None => None,
        Some(weak) if models.len() == 2 => Some(
            models
                .place(weak)
                .with_context(|| format!("--cascade {weak}: the files have {}", models.names()))?,
        ),
        Some(_) => bail!("--cascade needs files of two models, and these have {}", models.names()),
    };
    let mut embeddings = Embeddings::open(config, arguments.embeddings.as_deref())?;
    let prompts = train.iter().chain(&test).map(|row| row.prompt.as_str());
    embeddings.embed_all(prompts, train.len() + test.len())?;
    let setting = Setting {
        models: &models,
        router: &arguments.strategy,
        quality: arguments.floor,
        feedback: arguments.feedback,
        cascade,
        seed: arguments.seed,
    };
    let mut learner = Learner::new(setting, &embeddings, &train)?;
    let bar = super::cache_eval::progress(train.len(), "learning");
    for row in &train {
        learner.learn(row)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    learner.refresh();
    let mut tally = Tally::new(&models, &train);
    let bar = super::cache_eval::progress(test.len(), "deciding");
    for row in &test {
        let evidence = learner.evidence(row)?;
        let started = Instant::now();
        let Decided { expected, costs, choice, rank } = learner.decide(row, &evidence)?;
        let elapsed = started.elapsed();
        let by_name = |numbers: &[f64]| {
            let named = models.iter().zip(numbers).map(|(name, number)| (name.to_owned(), json!(number)));
            named.collect::<serde_json::Map<_, _>>()
        };
        let line = json!({
            "id": row.id,
            "p": by_name(&expected),
            "cost": by_name(&costs),
            "choice": models.name(choice),
        });
        print(&line.to_string());
        tally.add(row, Decided { expected, costs, choice, rank }, elapsed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let summary = json!({
        "summary": {
            "strategy": arguments.strategy.to_string(),
            "feedback": if arguments.feedback == Feedback::Full { "full" } else { "bandit" },
            "seed": arguments.seed,
            "learned_from": train.len(),
            "cascade": arguments.cascade,
            "result": tally.to_json(&setting),
        }
    });
    print(&summary.to_string());
    Ok(Exit::Success)
}

impl std::fmt::Display for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Strategy(name) => name.fmt(f),
            Self::Length => f.write_str("length"),
            Self::Fixed(model) => write!(f, "fixed:{model}"),
        }
    }
}
