//! What every parser of outside bytes must hold to, whatever the bytes: one function a parser, fed by libFuzzer and,
//! with the corpus, by the tests of every run.
//!
//! A function panics where something does not hold. It goes through the program's public ways: a provider gets its
//! bytes over HTTP, as from a server. Bytes that begin with nothing that a target knows are no test, and no fault.

mod config;
mod conversation;
mod identity;
mod model;
mod prices;
mod project;
mod prompt;
mod providers;
mod wire;

/// A parser under test: its name, which is that of its corpus and of its program, and what it must hold to.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All there are.
pub(crate) const TARGETS: [Target; 15] = [
    ("anthropic", providers::anthropic),
    ("gemini", providers::gemini),
    ("openai_chat", providers::openai_chat),
    ("ollama", providers::ollama),
    ("price_list", prices::price_list),
    ("price_file", prices::price_file),
    ("config", config::config),
    ("json_rpc", conversation::json_rpc),
    ("arguments", conversation::arguments),
    ("token", identity::token),
    ("database_url", identity::database_url),
    ("project", project::project),
    ("realtime", project::realtime),
    ("model_files", model::model_files),
    ("prompt", prompt::prompt),
];

/// Gives the bytes as text; parsers of text get no others.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
