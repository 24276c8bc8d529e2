//! `route-eval` through the real binary: decisions in JSON lines that no label of the test reaches.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::embedding::{model_folder, say};
use crate::stdio::driver::{Program, at};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("fixtures").join("routing").join(name)
}

/// Routes a file after learning from the fixture; gives a line a prompt, and the summary's result.
fn routed(program: &Program, test: &Path, more: &[&str]) -> (Vec<Value>, Value) {
    let train = fixture("train.jsonl");
    let (train, test) = (train.to_str().unwrap(), test.to_str().unwrap());
    let arguments = [&["route-eval", "--train", train, "--test", test], more].concat();
    let (code, stdout, stderr) = program.run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let mut lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    (lines, at(&summary, "/summary/result").clone())
}

#[test]
fn no_score_of_the_test_reaches_a_decision_and_every_baseline_is_told() {
    let Some(model) = model_folder() else {
        return say("skipped: no weights on this machine for route-eval");
    };
    let folder = tempfile::tempdir().unwrap();
    let program = Program::bare(folder.path(), "optimizer.sqlite3")
        .with("EMBEDDING_MODEL_PATH", model.to_str().unwrap().to_owned());
    let kept = folder.path().join("embeddings.bin");
    let kept = ["--embeddings", kept.to_str().unwrap()];
    let test = fixture("test.jsonl");
    let (lines, result) = routed(&program, &test, &kept);
    assert_eq!(at(&result, "/prompts"), lines.len());
    for line in &lines {
        for model in ["gpt-4-1106-preview", "mixtral-8x7b-instruct"] {
            assert!(line["p"][model].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)), "{line}");
            assert!(line["cost"][model].as_f64().is_some_and(|cost| cost > 0.0), "{line}");
        }
        assert!(line["choice"].is_string(), "{line}");
    }
    for figure in
        ["/quality_share", "/cost_share", "/random_mix_quality_share", "/two_models/length_alone/apgr"]
    {
        assert!(at(&result, figure).is_number(), "{figure}: {result}");
    }

    // With other scores and another name of the task the decisions are the same.
    let blind = folder.path().join("blind.jsonl");
    let text = std::fs::read_to_string(&test).unwrap();
    let changed = text.replace("\"q\": 1.0", "\"q\": 0.5").replace("\"task\": \"gsm8k\"", "\"task\": \"x\"");
    assert_ne!(text, changed);
    std::fs::write(&blind, changed).unwrap();
    assert_eq!(routed(&program, &blind, &kept).0, lines);

    // A cascade sees the first answer, so it decides by more.
    let cascade = [&kept[..], &["--cascade", "mixtral-8x7b-instruct"]].concat();
    let (judged, _) = routed(&program, &test, &cascade);
    assert!(judged.iter().zip(&lines).any(|(judged, line)| judged["p"] != line["p"]));

    let fixed = [&kept[..], &["--strategy", "fixed:gpt-4-1106-preview"]].concat();
    let (lines, result) = routed(&program, &test, &fixed);
    assert!(lines.iter().all(|line| line["choice"] == "gpt-4-1106-preview" && line["p"] == json!({})));
    assert_eq!(at(&result, "/quality_share"), 1.0, "{result}");
}

#[test]
fn what_cannot_be_measured_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::bare(folder.path(), "optimizer.sqlite3");
    let (train, broken) = (fixture("train.jsonl"), folder.path().join("broken.jsonl"));
    std::fs::write(&broken, "{}\n").unwrap();
    let check = |more: &[&str], expected: &str| {
        let (code, stdout, stderr) = program.run(&[&["route-eval"], more].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    let (train, broken) = (train.to_str().unwrap(), broken.to_str().unwrap());
    let files = ["--train", train, "--test", train];
    check(&["--train", train, "--test", broken], "broken.jsonl, line 1");
    check(&[&files[..], &["--strategy", "fixed:gpt-2"]].concat(), "the files have gpt-4-1106-preview");
    check(&[&files[..], &["--cascade", "gpt-2"]].concat(), "the files have gpt-4-1106-preview");
    check(
        &[&files[..], &["--strategy", "luck"]].concat(),
        "complexity, length, learning, hybrid or fixed:MODEL",
    );
    check(&[&files[..], &["--floor", "0.5"]].concat(), "0.9, 0.95 or 1");
}
