//! What is shipped says what the program says: its version, its variables and which of them are secrets.

use std::fs;
use std::path::Path;

use ai_cost_optimizer::config::{VARIABLES, is_secret};
use serde_json::Value;

use crate::stdio::driver::at;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn check_variable(name: &str, is_marked_secret: bool) {
    assert!(VARIABLES.iter().any(|variable| variable.name == name), "{name} is no variable");
    assert_eq!(is_secret(name), is_marked_secret, "{name}");
}

/// Names the variables that the bundle's user may fill in, and says of each whether it is marked as a secret.
fn bundled(manifest: &Value) -> Vec<(&str, bool)> {
    let variables = at(manifest, "/server/mcp_config/env").as_object().unwrap();
    let field = |reference: &Value| {
        let key = reference.as_str().unwrap().strip_prefix("${user_config.").unwrap().trim_end_matches('}');
        at(manifest, &format!("/user_config/{key}")).clone()
    };
    let variables = variables.iter().map(|(name, reference)| {
        let field = field(reference);
        // A program that starts without a key can say which one is missing.
        assert_eq!(at(&field, "/required"), false, "{name}");
        (name.as_str(), at(&field, "/sensitive") == true)
    });
    variables.collect()
}

#[test]
fn the_bundle_hides_exactly_the_secrets() {
    let manifest = json("packaging/mcpb/manifest.json");
    let variables = bundled(&manifest);
    assert_eq!(variables.len(), at(&manifest, "/user_config").as_object().unwrap().len());
    for (name, is_sensitive) in variables {
        check_variable(name, is_sensitive);
    }
}

#[test]
fn the_registrys_entry_has_the_bundles_variables() {
    let (manifest, entry) = (json("packaging/mcpb/manifest.json"), json("packaging/registry/server.json"));
    let mut declared = Vec::new();
    for variable in at(&entry, "/packages/0/environmentVariables").as_array().unwrap() {
        declared.push((at(variable, "/name").as_str().unwrap(), at(variable, "/isSecret") == true));
    }
    declared.sort_unstable();
    assert_eq!(declared, bundled(&manifest));
}

#[test]
fn all_that_is_shipped_has_the_programs_version() {
    let version = env!("CARGO_PKG_VERSION");
    let entry = json("packaging/registry/server.json");
    assert_eq!(at(&json("packaging/mcpb/manifest.json"), "/version"), version);
    assert_eq!(at(&entry, "/version"), version);
    let bundle = at(&entry, "/packages/0/identifier").as_str().unwrap();
    assert!(bundle.ends_with(&format!("/releases/download/v{version}/ai-cost-optimizer.mcpb")), "{bundle}");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(read("packaging/docker/Dockerfile").contains(&format!("FROM rust:{rust}-")), "rust {rust}");
    assert!(read(".github/workflows/release.yml").contains(&format!("rustup default {rust}")), "rust {rust}");
}

#[test]
fn the_icon_is_a_picture_of_the_size_that_clients_ask_for() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/mcpb/icon.png");
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let picture = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((picture.width, picture.height, picture.color_type), (512, 512, png::ColorType::Rgba));
}

#[test]
fn workflows_use_actions_of_one_commit_only() {
    let mut uses = 0;
    for workflow in ["ci", "release"] {
        for line in read(&format!(".github/workflows/{workflow}.yml")).lines() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let (_, rest) = action.split_once('@').unwrap_or_else(|| panic!("{line}"));
            let (commit, version) = rest.split_once(" # v").unwrap_or_else(|| panic!("{line}"));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(version.starts_with(|character: char| character.is_ascii_digit()), "{line}");
            uses += 1;
        }
    }
    assert!(uses >= 10, "{uses} actions");
}
