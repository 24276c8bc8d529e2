//! What the configuration takes, and what it says to what it does not.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::decision::StrategyName;
use ai_cost_optimizer::domain::model::ProviderId;

fn load(mode: Mode, variables: &[(&'static str, &str)]) -> Result<Config, String> {
    let mut environment: HashMap<&'static str, String> =
        variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    environment.entry("COST_OPTIMIZER_DATA_DIR").or_insert_with(|| "unused".to_owned());
    Config::from_environment(mode, environment).map_err(|error| format!("{error:#}"))
}

fn refuses(variables: &[(&'static str, &str)], words: &[&str]) {
    let message = load(Mode::Local, variables).expect_err("this must not be accepted");
    for word in words {
        assert!(message.contains(word), "{variables:?}: {message}");
    }
}

#[test]
fn nothing_set_is_a_configuration() {
    let config = load(Mode::Local, &[]).unwrap();
    assert!(config.providers.is_empty());
    assert_eq!(config.request_deadline, Duration::from_secs(45));
    assert_eq!(config.default_strategy, StrategyName::Hybrid);
}

#[test]
fn an_empty_or_unexpanded_value_is_unset() {
    let config = load(
        Mode::Local,
        &[
            ("ANTHROPIC_API_KEY", "  "),
            ("GEMINI_API_KEY", "${user_config.gemini}"),
            ("SUPABASE_URL", ""),
            ("REQUEST_DEADLINE_MS", ""),
        ],
    );
    assert!(config.unwrap().providers.is_empty());
}

#[test]
fn a_provider_is_configured_by_what_it_needs() {
    let config = load(
        Mode::Local,
        &[
            ("GOOGLE_API_KEY", "g"),
            ("OLLAMA_HOST", "127.0.0.1:11434"),
            ("OPENAI_COMPATIBLE_BASE_URL", "https://models.example.com/v1"),
            ("CEREBRAS_BASE_URL", "https://proxy.example.com"),
        ],
    );
    let configured: Vec<_> =
        config.unwrap().providers.into_iter().map(|configured| configured.provider).collect();
    assert_eq!(configured, [ProviderId::Gemini, ProviderId::OpenAiCompatible, ProviderId::Ollama]);
}

#[test]
fn a_bad_value_is_named_with_what_is_accepted() {
    refuses(&[("SIMILARITY_THRESHOLD", "1.5")], &["SIMILARITY_THRESHOLD", "`1.5`", "at most 1"]);
    refuses(&[("SIMILARITY_THRESHOLD", "NaN")], &["SIMILARITY_THRESHOLD"]);
    refuses(&[("REQUEST_DEADLINE_MS", "10")], &["REQUEST_DEADLINE_MS", "`10`", "1000"]);
    refuses(&[("CACHE_ERROR_RATE", "0")], &["CACHE_ERROR_RATE", "`0`", "at most 0.5"]);
    refuses(&[("CACHE_ERROR_RATE", "2%")], &["CACHE_ERROR_RATE"]);
    refuses(&[("CACHE_AUDIT_RATE", "1.1")], &["CACHE_AUDIT_RATE", "`1.1`", "0 to 1"]);
    refuses(&[("CACHE_AUDIT_RATE", "NaN")], &["CACHE_AUDIT_RATE"]);
    refuses(&[("CACHE_TTL", "soon")], &["CACHE_TTL", "`soon`", "12h"]);
    refuses(&[("CACHE_TTL", "-1h")], &["CACHE_TTL"]);
    refuses(&[("DEFAULT_STRATEGY", "magic")], &["DEFAULT_STRATEGY", "`magic`", "hybrid"]);
    refuses(&[("EMBEDDING_DEVICE", "tpu")], &["EMBEDDING_DEVICE", "`tpu`", "cuda"]);
    refuses(&[("EMBEDDING_ENGINE", "onnx")], &["EMBEDDING_ENGINE", "candle"]);
    refuses(&[("LOG_LEVEL", "loud")], &["LOG_LEVEL", "`loud`", "debug"]);
}

#[test]
fn a_base_url_is_https_or_stays_on_this_machine() {
    let is_taken = |name: &'static str, url: &str| load(Mode::Local, &[(name, url)]).is_ok();
    assert!(is_taken("ANTHROPIC_BASE_URL", "https://proxy.example.com"));
    assert!(is_taken("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080"));
    assert!(is_taken("ANTHROPIC_BASE_URL", "http://[::1]:8080"));
    assert!(!is_taken("ANTHROPIC_BASE_URL", "http://proxy.example.com"));
    assert!(!is_taken("ANTHROPIC_BASE_URL", "http://192.168.1.2"));
    assert!(!is_taken("ANTHROPIC_BASE_URL", "https://user:pass@proxy.example.com"));
    assert!(!is_taken("ANTHROPIC_BASE_URL", "file:///etc/passwd"));
    assert!(is_taken("OLLAMA_HOST", "http://192.168.1.2:11434"));
    assert!(!is_taken("OLLAMA_HOST", "http://ollama.example.com"));
}

#[test]
fn a_key_that_cannot_be_one_is_refused_without_being_shown() {
    let message = load(Mode::Local, &[("ANTHROPIC_API_KEY", "canary key\nwith lines")]).unwrap_err();
    assert!(message.contains("ANTHROPIC_API_KEY") && !message.contains("canary"), "{message}");
}

#[test]
fn what_only_others_need_is_taken_and_not_shown() {
    let config = load(Mode::Local, &[("SUPABASE_JWT_SECRET", "canary")]).unwrap();
    assert!(config.http.jwt_secret.is_some() && !format!("{config:?}").contains("canary"));
    assert!(load(Mode::Simulate, &[("SUPABASE_URL", "https://x.example.com")]).is_ok());
}

#[test]
fn a_project_needs_its_address_and_its_public_key() {
    let url = ("SUPABASE_URL", "https://x.example.com");
    let config = load(Mode::Local, &[url, ("SUPABASE_ANON_KEY", "sb_publishable_x")]).unwrap();
    assert_eq!(config.mode, Mode::Supabase);
    assert!(config.store_path().ends_with("outbox.sqlite3"));
    refuses(&[url], &["SUPABASE_ANON_KEY"]);
    refuses(
        &[("SUPABASE_URL", "http://x.example.com"), ("SUPABASE_ANON_KEY", "k")],
        &["SUPABASE_URL", "https"],
    );
    refuses(&[url, ("SUPABASE_ANON_KEY", "a canary")], &["SUPABASE_ANON_KEY"]);
}

#[test]
fn the_url_of_a_database_is_a_secret_and_needs_no_project() {
    let url = ("SUPABASE_DB_URL", "postgresql://postgres:canary@db.x.supabase.co:5432/postgres");
    let config = load(Mode::Local, &[url]).unwrap();
    assert!(config.supabase_db_url.is_some() && !format!("{config:?}").contains("canary"));
    assert_eq!(config.mode, Mode::Local);
    assert!(load(Mode::Simulate, &[url]).unwrap().supabase_db_url.is_none());
    let message = load(Mode::Local, &[("SUPABASE_DB_URL", "postgresql://u:a canary@h")]).unwrap_err();
    assert!(message.contains("SUPABASE_DB_URL") && !message.contains("canary"), "{message}");
}

#[test]
fn a_file_holds_the_same_names_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = r#"
REQUEST_DEADLINE_MS = 9000
CACHE_TTL = "2h"

[[models]]
provider = "ollama"
model = "llama3.2"
tier = "economy"
context_window = 8192
max_output = 4096

[[prices]]
provider = "openai_compatible"
model = "m"
input_usd_per_mtok = 1.0
output_usd_per_mtok = 2.0
"#;
    fs::write(&path, text).unwrap();
    let path_text = path.display().to_string();
    let config = load(Mode::Local, &[("COST_OPTIMIZER_CONFIG", &path_text), ("CACHE_TTL", "3h")]).unwrap();
    assert_eq!(config.request_deadline, Duration::from_secs(9));
    assert_eq!(config.cache_ttl, Duration::from_secs(3 * 60 * 60));
    assert_eq!((config.models.len(), config.prices.len()), (1, 1));

    let bad = |text: &str, words: &[&str]| {
        fs::write(&path, text).unwrap();
        refuses(&[("COST_OPTIMIZER_CONFIG", &path_text)], words);
    };
    bad("COLOUR = 1", &["config.toml", "`COLOUR`"]);
    bad("CACHE_TTL = [1]", &["`CACHE_TTL`"]);
    bad("ANTHROPIC_API_KEY = \"canary", &["config.toml", "line 1"]);
    bad("[[models]]\nprovider = \"ollama\"", &["config.toml"]);
    refuses(
        &[("COST_OPTIMIZER_CONFIG", "no/such/file.toml")],
        &["COST_OPTIMIZER_CONFIG", "no/such/file.toml"],
    );
}
