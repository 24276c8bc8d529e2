//! `cache-eval pairs` through the real binary: decisions in JSON lines, and errors that say where.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::embedding::{model_folder, say};
use crate::stdio::driver::{Program, at};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("fixtures").join("cache").join("pairs.jsonl")
}

/// Runs a policy over a file; gives a line a pair, and the summary.
fn decided(program: &Program, file: &Path, policy: &str) -> (Vec<Value>, Value) {
    let file = file.to_str().unwrap();
    let (code, stdout, stderr) = program.run(&["cache-eval", "pairs", file, "--policy", policy]);
    assert_eq!(code, 0, "{stderr}");
    let mut lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    (lines, summary)
}

#[test]
fn the_verifier_serves_repeats_and_no_traps() {
    let Some(model) = model_folder() else {
        return say("skipped: no weights on this machine for cache-eval");
    };
    let folder = tempfile::tempdir().unwrap();
    let program = Program::bare(folder.path(), "optimizer.sqlite3")
        .with("EMBEDDING_MODEL_PATH", model.to_str().unwrap().to_owned());
    let (lines, summary) = decided(&program, &fixture(), "ours");
    assert_eq!(at(&summary, "/summary/pairs"), lines.len());
    assert_eq!(at(&summary, "/summary/other_answer_served"), 0, "{summary}");
    assert!(at(&summary, "/summary/same_answer_served").as_u64() >= Some(4), "{summary}");
    for line in &lines {
        assert!(at(line, "/score").as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)), "{line}");
        assert!(at(line, "/served").is_boolean() && at(line, "/reason").is_string(), "{line}");
    }
    let (_, plain) = decided(&program, &fixture(), "plain:0.8");
    assert!(at(&plain, "/summary/other_answer_served").as_u64() >= Some(5), "{plain}");

    // Without labels the decisions are the same.
    let blind = folder.path().join("blind.jsonl");
    let text = std::fs::read_to_string(fixture()).unwrap();
    std::fs::write(&blind, text.replace("\"same_answer\"", "\"unread\"")).unwrap();
    let (blind_lines, blind_summary) = decided(&program, &blind, "ours");
    assert_eq!(blind_lines, lines);
    assert_eq!(at(&blind_summary, "/summary/wrong_per_hit"), &Value::Null);
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_that_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::bare(folder.path(), "optimizer.sqlite3");
    let check = |name: &str, content: &str, expected: &[&str]| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let (code, stdout, stderr) = program.run(&["cache-eval", "pairs", file.to_str().unwrap()]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        for words in expected.iter().chain([&name]) {
            assert!(stderr.contains(words), "{words} is not in {stderr}");
        }
    };
    check("a.tsv", "text_a\ttext_b\none\n", &["line 2", "1 fields under 2 names"]);
    check("b.tsv", "text_a\tother\none\ttwo\n", &["line 2", "text_b or b"]);
    check("c.jsonl", "{\"a\": \"x\", \"b\": \"y\"}\nnot JSON\n", &["line 2"]);
    check("d.tsv", "a\tb\tlabel\nx\ty\tperhaps\n", &["line 2", "label", "perhaps"]);
}
