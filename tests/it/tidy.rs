//! The house keeps its own rules: direction of imports, length of files, names, and a README that tells all.

use std::fs;
use std::path::{Path, PathBuf};

use ai_cost_optimizer::config::VARIABLES;

/// Modules by rank; a module imports lower ranks only.
const RANKS: [&[&str]; 12] = [
    &["domain"],
    &["config"],
    &["cost"],
    &["budget", "routing", "cache", "experiments"],
    &["auth"],
    &["embed", "store", "providers"],
    &["pipeline"],
    &["dashboard"],
    &["mcp"],
    &["http"],
    &["app", "telemetry"],
    &["cli"],
];
const BANNED_NAMES: [&str; 7] = ["utils", "helpers", "common", "manager", "service", "types", "misc"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn all_files() -> Vec<PathBuf> {
    ["src", "tests", "benches"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect()
}

/// The module of `src/` that a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn rank_of(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let own = module_of(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let own_rank =
            rank_of(&own).unwrap_or_else(|| panic!("{own} has no rank: add it to DESIGN and RANKS"));
        for part in read(&path).split("crate::").skip(1) {
            let imported: String = part
                .chars()
                .take_while(|character| character.is_alphanumeric() || *character == '_')
                .collect();
            let is_allowed = imported == own || rank_of(&imported).is_some_and(|rank| rank < own_rank);
            if !is_allowed {
                wrong.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in all_files() {
        let text = read(&path);
        let limit = match path.strip_prefix(root()).unwrap().to_str().unwrap() {
            "src/main.rs" => 60,
            "src/pipeline.rs" => 250,
            _ => 400,
        };
        if text.lines().count() > limit {
            wrong.push(format!("{} has more than {limit} lines", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not say what it is", path.display()));
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        if BANNED_NAMES.iter().any(|banned| name.contains(banned) || folder == *banned) {
            wrong.push(format!("{} has a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lints_are_expected_with_a_reason_and_no_test_is_switched_off() {
    let mut wrong = Vec::new();
    for path in all_files() {
        for (number, line) in read(&path).lines().enumerate() {
            let line = line.trim_start();
            let is_silenced = line.starts_with("#[allow") || line.starts_with("#![allow");
            let is_switched_off = line.starts_with("#[ignore");
            let is_unread = line.starts_with("//") && line.contains("TODO");
            if is_silenced || is_switched_off || is_unread {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_has_every_tool_resource_and_command() {
    let readme = read(root().join("README.md"));
    let snapshot = read(root().join("tests/snapshots/it__contract__tools.snap"));
    let names = snapshot.lines().filter_map(|line| line.trim().strip_prefix("\"name\": \""));
    let tools: Vec<_> = names.map(|name| name.trim_end_matches(['"', ','])).collect();
    assert!(tools.len() >= 4, "{tools:?}");
    let named = tools.into_iter().chain([
        "metrics://summary",
        "metrics://routing",
        "metrics://cache",
        "metrics://providers",
        "model fetch",
        "prices refresh",
        "`migrate`",
        "doctor",
        "--simulate",
        "tests/run",
    ]);
    let missing: Vec<_> = named.filter(|name| !readme.contains(name)).collect();
    assert!(missing.is_empty(), "the README lacks {missing:?}");
}

#[test]
fn the_readmes_table_of_variables_is_the_programs() {
    let readme = read(root().join("README.md"));
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for variable in &VARIABLES {
        let default = if variable.default.is_empty() { "" } else { variable.default };
        let row = format!("| `{}` | {default} | {} |", variable.name, variable.meaning);
        assert!(rows.contains(&row.as_str()), "the README lacks this row:\n{row}");
    }
}

#[test]
fn the_repository_names_no_machine_of_its_makers() {
    for path in all_files() {
        let text = read(&path);
        // Split, so that this file does not name them either.
        for banned in [concat!("/wo", "rk/"), concat!("../sha", "red")] {
            assert!(!text.contains(banned), "{} names {banned}", path.display());
        }
    }
}
