//! Prompts with the outcomes of several models, from JSON lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::prompt::Prompt;

/// One prompt and what each model made of it, by the places of [`Models`].
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) prompt: Prompt,
    pub(super) outcomes: Vec<Outcome>,
}

/// What one model made of a prompt.
#[derive(Debug)]
pub(super) struct Outcome {
    /// In [0, 1].
    pub(super) score: f64,
    /// In US dollars; of a price per million tokens, that price.
    pub(super) cost: Option<f64>,
    pub(super) response: Option<String>,
}

/// Both files.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) models: Models,
    pub(super) train: Vec<Row>,
    pub(super) test: Vec<Row>,
}

/// The models that answered every prompt, by name.
#[derive(Debug)]
pub(super) struct Models(Vec<ModelRef>);

impl Models {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn references(&self) -> &[ModelRef] {
        &self.0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|reference| reference.model.as_str())
    }

    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.0.get(place).map(|reference| reference.model.as_str())
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.iter().position(|model| model == name)
    }

    pub(super) fn names(&self) -> String {
        self.iter().collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    id: serde_json::Value,
    prompt: String,
    models: BTreeMap<String, Answer>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    q: f64,
    cost: Option<f64>,
    price_per_m_tokens: Option<f64>,
    response: Option<String>,
}

/// Reads both files; models that are not in every row are left out.
///
/// # Errors
/// A file cannot be read, a line is no row, or fewer than two models answered everything; the error says where.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Data> {
    let (train_lines, test_lines) = (lines(train)?, lines(test)?);
    let names = |line: &Line| line.models.keys().cloned().collect::<BTreeSet<String>>();
    let common = train_lines
        .iter()
        .chain(&test_lines)
        .map(names)
        .reduce(|left, right| left.intersection(&right).cloned().collect())
        .unwrap_or_default();
    ensure!(
        common.len() >= 2,
        "{} and {}: fewer than two models answered every prompt",
        train.display(),
        test.display()
    );
    let reference = |model: String| ModelRef { provider: ProviderId::OpenAiCompatible, model };
    let models = Models(common.into_iter().map(reference).collect());
    let rows = |lines: Vec<Line>, path: &Path| -> anyhow::Result<Vec<Row>> {
        lines
            .into_iter()
            .map(|line| row(line, &models))
            .collect::<Result<_, _>>()
            .with_context(|| path.display().to_string())
    };
    let (train, test) = (rows(train_lines, train)?, rows(test_lines, test)?);
    Ok(Data { models, train, test })
}

fn lines(path: &Path) -> anyhow::Result<Vec<Line>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(place, line)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), place + 1))
        })
        .collect()
}

fn row(line: Line, models: &Models) -> anyhow::Result<Row> {
    let Line { id, prompt, models: mut answers } = line;
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let mut outcomes = Vec::with_capacity(models.len());
    for model in models.iter() {
        let answer = answers.remove(model).with_context(|| format!("{id}: no outcome of {model}"))?;
        let cost = answer.cost.or(answer.price_per_m_tokens);
        ensure!((0.0..=1.0).contains(&answer.q), "{id}: q of {model} is {}; it goes from 0 to 1", answer.q);
        ensure!(
            cost.is_none_or(|cost| (0.0..1e6).contains(&cost)),
            "{id}: cost of {model} is no amount in USD"
        );
        outcomes.push(Outcome { score: answer.q, cost, response: answer.response });
    }
    let prompt = Prompt::new(prompt).with_context(|| id.clone())?;
    Ok(Row { id, prompt, outcomes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(train: &str) -> anyhow::Result<Data> {
        let folder = tempfile::tempdir()?;
        let (train_file, test_file) = (folder.path().join("train.jsonl"), folder.path().join("test.jsonl"));
        std::fs::write(&train_file, train)?;
        std::fs::write(
            &test_file,
            r#"{"id": "t", "task": "x", "prompt": "Why?", "models": {"a": {"q": 1}, "b": {"q": 0.5, "cost": 0.1}, "c": {"q": 0}}}"#,
        )?;
        read(&train_file, &test_file)
    }

    #[test]
    fn models_that_answered_everything_are_kept() {
        let data = read_text(r#"{"id": 7, "prompt": "How?", "models": {"b": {"q": 1, "price_per_m_tokens": 2}, "a": {"q": 0}}}"#)
            .expect("rows");
        assert_eq!(data.models.names(), "a, b");
        let [row] = data.train.as_slice() else { panic!("one row") };
        assert_eq!((row.id.as_str(), row.outcomes[1].cost, row.outcomes[0].cost), ("7", Some(2.0), None));
    }

    #[test]
    fn a_line_that_cannot_be_used_says_where() {
        let check = |line: &str, expected: &str| {
            let said = read_text(line).map_or_else(|error| format!("{error:#}"), |_| String::new());
            assert!(said.contains(expected), "{line}: {said}");
        };
        check("nonsense", "train.jsonl, line 1");
        check(r#"{"id": 7, "prompt": "How?", "models": {"b": {"q": 1}}}"#, "fewer than two models");
        check(r#"{"id": 7, "prompt": "How?", "models": {"b": {"q": 2}, "a": {"q": 0}}}"#, "7: q of b is 2");
        check(r#"{"id": 7, "prompt": " ", "models": {"b": {"q": 1}, "a": {"q": 0}}}"#, "7: prompt is empty");
        check(
            r#"{"id": 7, "prompt": "x", "models": {"b": {"q": 1, "cost": -1}, "a": {"q": 0}}}"#,
            "7: cost of b",
        );
    }
}
