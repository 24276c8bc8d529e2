//! What `tests/fuzz` found, and what it began with, fed again to every parser of outside bytes: as it is, cut off, and
//! with bytes changed.

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use self::targets::{TARGETS, Target};

/// Places at which each file is cut off, and copies of it with some bytes changed.
const CUTS: usize = 16;
const CHANGED: u64 = 16;
/// A corpus is read by everybody who clones the repository.
const MOST_BYTES: u64 = 400 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn files_of(name: &str) -> Vec<PathBuf> {
    let folder = folder().join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Changes up to four bytes, the same each time.
fn changed(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..=4) {
        let place = random.usize(..bytes.len());
        bytes[place] = match random.u8(..3) {
            0 => bytes[place] ^ (1 << random.u8(..8)),
            1 => random.u8(..),
            // What means something in most of these formats.
            _ => *random.choice(b"\"\\{}[]:,.-0919eE \n\0").unwrap(),
        };
    }
    bytes
}

/// Feeds one target its corpus; gives the bytes that it did not stand.
fn replay((name, check): Target) -> Vec<String> {
    let mut failed = Vec::new();
    let mut feed = |path: &Path, bytes: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| check(bytes))).is_err() {
            let file = path.file_name().unwrap().display();
            failed.push(format!("{name}, from {file}: {}", bytes.escape_ascii()));
        }
    };
    let files = files_of(name);
    assert!(!files.is_empty(), "{name} has no corpus");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.is_empty(), "{} is empty", path.display());
        feed(&path, &bytes);
        for cut in 0..CUTS.min(bytes.len()) {
            feed(&path, &bytes[..bytes.len() * cut / CUTS]);
        }
        for seed in 0..CHANGED {
            feed(&path, &changed(&bytes, seed));
        }
    }
    failed
}

#[test]
fn every_parser_of_outside_bytes_stands_its_corpus() {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = TARGETS.map(|target| scope.spawn(move || replay(target))).into_iter().collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_target_has_its_program_and_every_corpus_its_target() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in Cargo.toml");
        let program = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("feed(\"{name}\"")), "{name}'s program feeds another");
    }
    let mut bytes = 0;
    for entry in fs::read_dir(folder().join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name} is no target");
        bytes += files_of(&name).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>();
    }
    assert!(bytes <= MOST_BYTES, "the corpus has {bytes} bytes");
}
