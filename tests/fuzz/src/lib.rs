//! The targets as libFuzzer runs them; the tests of every run include the same functions and feed them the corpus.

mod targets;

/// Feeds a target by its name.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name);
    let (_, check) = target.unwrap_or_else(|| panic!("{name} is no target"));
    check(bytes);
}
