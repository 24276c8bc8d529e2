//! `cache-eval stream`: prompts in a random order through a policy, as they would come.
//!
//! A label is revealed only where the policy pays for it: by a miss whose fresh answer can be compared with the near
//! neighbour's, or by an audit of a hit; each is counted.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::policy::{Policy, is_semantic};
use super::records::{Record, read};
use super::replay::{Item, Stream, Tally};
use super::{Exit, embedder, progress, share};
use crate::cache::admission::DEFAULT_ERROR_RATE;
use crate::cache::calibration::PRIOR;
use crate::cache::compare::Conversation;
use crate::cache::evidence::Evidence;
use crate::cli::print;
use crate::config::Config;
use crate::embed::Embedder as _;

#[derive(Debug, Args)]
pub(in crate::cli) struct StreamArguments {
    /// Tab-separated with a header, or JSON lines: text, class (the same class: the same answer), and if you like group
    /// (the same class of another group: another answer)
    file: PathBuf,
    /// What decides the order of the prompts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The share of hits that may be wrong, in (0, 1)
    #[arg(long, default_value_t = DEFAULT_ERROR_RATE, value_parser = share)]
    delta: f64,
    /// How many orders to try, with the seeds that follow
    #[arg(long, default_value_t = 1)]
    orders: u32,
    /// Only so many of the prompts, drawn at random by the first seed
    #[arg(long)]
    rows: Option<usize>,
    /// What ours knows before the first prompt: shipped, none, or a file as --evidence writes it
    #[arg(long, default_value = "shipped")]
    prior: String,
    /// Write the labels of the last epochs here, as lines of a cell, how many were right, and how many wrong
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// ours, plain:T for a cosine of at least T, or vcache:D for wrong answers per request of at most D
    #[arg(long, default_value = "ours")]
    policy: Policy,
}

pub(super) fn run(config: &Config, arguments: &StreamArguments) -> anyhow::Result<Exit> {
    let records = read(&arguments.file)?;
    let mut records: Vec<&Record> = records.iter().collect();
    fastrand::Rng::with_seed(arguments.seed).shuffle(&mut records);
    records.truncate(arguments.rows.unwrap_or(usize::MAX));
    let prior = match arguments.prior.as_str() {
        "shipped" => PRIOR.clone(),
        "none" => Evidence::default(),
        file => std::fs::read_to_string(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(text.parse()?))
            .with_context(|| format!("--prior {file}"))?,
    };
    let mut embedder = embedder(config)?;
    let bar = progress(records.len(), "embedding");
    let mut items = Vec::with_capacity(records.len());
    for record in records {
        let text = record.required(&["text"]).with_context(|| arguments.file.display().to_string())?;
        let class = record.required(&["class"]).with_context(|| arguments.file.display().to_string())?;
        let group = record.optional(&["group"]).unwrap_or_default();
        let embedded = embedder.embed(text)?;
        items.push(Item {
            text: text.to_owned(),
            class: format!("{group}\t{class}"),
            is_semantic: is_semantic(text, &embedded),
            embedding: embedded.embedding,
            conversation: Conversation::read(text),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let bar = progress(items.len(), "comparing");
    let stream = Stream::new(items, || bar.inc(1));
    bar.finish_and_clear();
    let mut sum: Option<Tally> = None;
    let mut exceeded = 0;
    for order in 0..arguments.orders {
        let seed = arguments.seed.wrapping_add(u64::from(order));
        let tally = stream.replay(arguments.policy, arguments.delta, &prior, seed);
        exceeded += u32::from(tally.is_exceeded());
        let line = json!({ "seed": seed, "exceeded_delta": tally.is_exceeded(), "order": tally.to_json() });
        print(&line.to_string());
        match &mut sum {
            Some(sum) => sum.add(&tally),
            None => sum = Some(tally),
        }
    }
    if let (Some(file), Some(sum)) = (&arguments.evidence, &sum) {
        let lines = sum
            .evidence()
            .cells()
            .map(|(cell, counts)| format!("{cell}\t{}\t{}\n", counts.right, counts.wrong));
        std::fs::write(file, lines.collect::<String>())
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let summary = json!({
        "summary": {
            "policy": arguments.policy.to_string(),
            "delta": arguments.delta,
            "orders": arguments.orders,
            "orders_that_exceeded_delta": exceeded,
            "all_orders": sum.map(|sum| sum.to_json()),
        }
    });
    print(&summary.to_string());
    Ok(Exit::Success)
}
