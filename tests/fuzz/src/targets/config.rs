//! The TOML file of the configuration, and the tables in it.

use std::collections::HashMap;
use std::time::Duration;

use ai_cost_optimizer::config::{Config, Mode, VARIABLES};
use ai_cost_optimizer::cost::catalogue::Catalogue;
use ai_cost_optimizer::cost::models::Models;
use ai_cost_optimizer::domain::money::Usd;

use super::wire::Wire;

/// The longest words of an error that do not name a value.
const MOST_ERROR_BYTES: usize = 1_000;

/// A file: it configures something that makes sense, or an error says what is wrong and tells no secret.
pub(super) fn config(bytes: &[u8]) {
    Wire::with(|wire| {
        let path = wire.folder.path().join("config.toml");
        std::fs::write(&path, bytes).expect("a file can be written");
        let environment = HashMap::from([
            ("COST_OPTIMIZER_CONFIG", path.display().to_string()),
            ("COST_OPTIMIZER_DATA_DIR", wire.folder.path().display().to_string()),
        ]);
        let secrets = super::text(bytes).map(secrets_of).unwrap_or_default();
        let check_words = |words: &str| {
            for secret in &secrets {
                assert!(!words.contains(secret), "a secret is told: {words}");
            }
        };
        for mode in [Mode::Local, Mode::Simulate] {
            match Config::from_environment(mode, environment.clone()) {
                Ok(config) => {
                    check_words(&format!("{config:?}"));
                    check(&config);
                }
                Err(error) => {
                    let words = format!("{error:#}");
                    check_words(&words);
                    let names_something = words.contains("config.toml")
                        || words.contains("[[")
                        || VARIABLES.iter().any(|variable| words.contains(variable.name));
                    assert!(names_something, "an error names the file or a variable: {words}");
                    assert!(words.len() <= bytes.len() + MOST_ERROR_BYTES, "{words}");
                }
            }
        }
    });
}

/// Finds values of secret variables that stand nowhere else in the file, where it is written in the plainest way.
fn secrets_of(text: &str) -> Vec<&str> {
    const ENDS: [&str; 5] = ["_API_KEY", "_ANON_KEY", "_ACCESS_TOKEN", "_DB_URL", "_JWT_SECRET"];
    let secrets = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let is_secret = ENDS.iter().any(|end| name.trim().ends_with(end));
        let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric()) && value.len() >= 12;
        (is_secret && is_plain && text.matches(value).count() == 1).then_some(value)
    });
    secrets.collect()
}

fn check(config: &Config) {
    assert!(config.similarity_threshold.is_none_or(|threshold| threshold > 0.0 && threshold <= 1.0));
    assert!(config.cache_error_rate.is_none_or(|rate| rate > 0.0 && rate <= 0.5));
    assert!(config.cache_audit_rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)));
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert!((Duration::from_secs(1)..=year).contains(&config.cache_ttl), "{:?}", config.cache_ttl);
    let amounts = [Some(config.exploration_budget), config.daily_budget, config.monthly_budget];
    let limits = config.budgets.iter().map(|limit| limit.most);
    for amount in amounts.into_iter().flatten().chain(limits) {
        let million = Usd::from_dollars(1e6).expect("it is an amount");
        assert!((Usd::ZERO..=million).contains(&amount), "{amount}");
    }
    let urls = config.providers.iter().filter_map(|provider| provider.base_url.as_ref());
    for url in urls.chain(config.supabase.as_ref().map(|supabase| &supabase.url)) {
        assert!(url.username().is_empty() && url.password().is_none(), "{url} holds a password");
        let host = url.host_str().unwrap_or_default();
        // A name with a dot is somewhere in the world, unless it is an address.
        let is_abroad = host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
        assert!(url.scheme() == "https" || !is_abroad, "{url} is read by everybody on the way");
    }
    if !config.models.is_empty()
        && let Ok(models) = Models::new(&config.models)
    {
        for card in models.iter() {
            assert!((0.0..=1.0).contains(&card.quality_prior) && card.context_window > 0, "{card:?}");
            assert!(models.find(&card.reference.to_string()).is_ok(), "{} is not found", card.reference);
        }
    }
    if !config.prices.is_empty() {
        // It is usable, or the row is named.
        if let Err(error) = Catalogue::new(&config.prices) {
            assert!(error.to_string().starts_with("price of "), "{error}");
        }
    }
}
