//! `cache-eval pairs`: one decision a pair, and what they come to.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::policy::{Decision, Side, first_threshold};
use super::records::{Record, read};
use super::{Exit, PairsArguments, embedder, progress};
use crate::cache::compare::{FEATURE_NAMES, features};
use crate::cli::print;
use crate::config::Config;
use crate::embed::{Embedded, Embedder as _};

/// A row of the file.
#[derive(Debug)]
struct Pair {
    id: String,
    texts: [String; 2],
    contexts: [String; 2],
    /// Whether the answer to the one also answers the other; absent: nobody said.
    label: Option<bool>,
}

impl Pair {
    fn of(record: &Record) -> anyhow::Result<Self> {
        let context = |name: &str| record.optional(&[name]).unwrap_or_default().to_owned();
        Ok(Self {
            id: record.optional(&["id"]).map_or_else(|| record.line().to_string(), str::to_owned),
            texts: [
                record.required(&["text_a", "a"])?.to_owned(),
                record.required(&["text_b", "b"])?.to_owned(),
            ],
            contexts: [context("context_a"), context("context_b")],
            label: record.truth(&["label", "same_answer"])?,
        })
    }
}

/// Prints a policy's decision on every pair, then the counts.
pub(super) fn decide_all(config: &Config, arguments: &PairsArguments) -> anyhow::Result<Exit> {
    let pairs = pairs_of(&arguments.file)?;
    let first = first_threshold(arguments.delta);
    let embeddings = embed_all(config, &pairs)?;
    let mut counts = Counts::default();
    for pair in &pairs {
        let Some([new, cached]) = sides(pair, &embeddings) else { continue };
        let decision = arguments.policy.decide(&new, &cached, first);
        counts.add(pair.label, &decision);
        let line = json!({
            "id": pair.id,
            "served": decision.is_served,
            "score": decision.score,
            "reason": decision.reason,
        });
        print(&line.to_string());
    }
    print(&counts.to_json().to_string());
    Ok(Exit::Success)
}

/// Prints the label (empty: unknown), the cosine and the features of every pair under a header.
pub(super) fn print_features(config: &Config, file: &Path) -> anyhow::Result<Exit> {
    let pairs = pairs_of(file)?;
    let embeddings = embed_all(config, &pairs)?;
    print(&format!("id\tlabel\tveto\t{}", FEATURE_NAMES.join("\t")));
    for pair in &pairs {
        let Some([new, cached]) = sides(pair, &embeddings) else { continue };
        let cosine = new.embedded.embedding.cosine(&cached.embedded.embedding);
        let veto = crate::cache::compare::veto(new.prepared(), cached.prepared());
        let label = pair.label.map_or("", |label| if label { "1" } else { "0" });
        let numbers = features(new.prepared(), cached.prepared(), cosine).map(|number| number.to_string());
        let veto = veto.map_or("", Into::into);
        print(&format!("{}\t{label}\t{veto}\t{}", pair.id, numbers.join("\t")));
    }
    Ok(Exit::Success)
}

fn pairs_of(file: &Path) -> anyhow::Result<Vec<Pair>> {
    let records = read(file)?;
    records.iter().map(Pair::of).collect::<anyhow::Result<_>>().with_context(|| file.display().to_string())
}

/// Embeds every distinct text once.
fn embed_all(config: &Config, pairs: &[Pair]) -> anyhow::Result<HashMap<String, Embedded>> {
    let mut embedder = embedder(config)?;
    let mut embeddings = HashMap::new();
    let bar = progress(pairs.len(), "embedding");
    for pair in pairs {
        for text in &pair.texts {
            if !embeddings.contains_key(text) {
                embeddings.insert(text.clone(), embedder.embed(text)?);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(embeddings)
}

fn sides<'a>(pair: &'a Pair, embeddings: &'a HashMap<String, Embedded>) -> Option<[Side<'a>; 2]> {
    let [new, cached] = &pair.texts;
    let [new_context, cached_context] = &pair.contexts;
    let side = |text: &'a str, context: &'a str| Some(Side::new(text, context, embeddings.get(text)?));
    Some([side(new, new_context)?, side(cached, cached_context)?])
}

/// How often what was decided, by label.
#[derive(Debug, Default)]
struct Counts {
    pairs: u64,
    served: u64,
    same: u64,
    same_served: u64,
    different: u64,
    different_served: u64,
    reasons: BTreeMap<&'static str, u64>,
}

impl Counts {
    fn add(&mut self, label: Option<bool>, decision: &Decision) {
        let served = u64::from(decision.is_served);
        self.pairs += 1;
        self.served += served;
        *self.reasons.entry(decision.reason).or_default() += 1;
        match label {
            Some(true) => {
                self.same += 1;
                self.same_served += served;
            }
            Some(false) => {
                self.different += 1;
                self.different_served += served;
            }
            None => {}
        }
    }

    /// Gives the summary; a share of nothing is null.
    fn to_json(&self) -> serde_json::Value {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        json!({
            "summary": {
                "pairs": self.pairs,
                "served": self.served,
                "same_answer": self.same,
                "same_answer_served": self.same_served,
                "same_answer_served_share": share(self.same_served, self.same),
                "other_answer": self.different,
                "other_answer_served": self.different_served,
                "traps_served_share": share(self.different_served, self.different),
                "wrong_per_hit": share(self.different_served, self.same_served + self.different_served),
                "reasons": self.reasons,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_by_label() {
        let mut counts = Counts::default();
        let served = Decision { is_served: true, score: 0.9, reason: "verified" };
        let refused = Decision { is_served: false, score: 0.1, reason: "score" };
        for (label, decision) in [
            (Some(true), served),
            (Some(true), served),
            (Some(true), refused),
            (Some(false), served),
            (None, served),
        ] {
            counts.add(label, &decision);
        }
        let json = counts.to_json();
        let summary = &json["summary"];
        assert_eq!((&summary["pairs"], &summary["served"]), (&json!(5), &json!(4)));
        assert_eq!(summary["wrong_per_hit"], json!(1.0 / 3.0));
        assert_eq!(summary["traps_served_share"], json!(1.0));
        assert_eq!(summary["reasons"], json!({"verified": 4, "score": 1}));
        assert_eq!(Counts::default().to_json()["summary"]["wrong_per_hit"], json!(null));
    }
}
