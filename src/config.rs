//! The configuration: read once, from the environment and an optional TOML file of the same keys.
//!
//! An empty value, or a literal `${…}` that a client did not expand, is unset. A value that is wrong, or that
//! this version would not obey, is an error that names the variable and what is accepted.

pub mod embedding;
pub mod http;
pub mod serving;
mod tables;
mod variables;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use directories::ProjectDirs;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use strum::VariantArray;

use self::embedding::EmbeddingConfig;
use self::http::HttpConfig;
use self::serving::ServingConfig;
use self::tables::{File, MOST_USD};
use crate::domain::decision::StrategyName;
use crate::domain::limit::{Limit, SetBy};
use crate::domain::model::ProviderId;
use crate::domain::money::Usd;
use crate::domain::prompt::StorePrompts;

pub use self::tables::{BadBudget, BudgetRow, ModelRow, PriceRow};
pub use self::variables::{VARIABLES, Variable, environment, is_secret};

/// Whether providers are called or simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Local,
    /// Requests and answers are kept in a Supabase project, as the signed-in user.
    Supabase,
    /// Provider keys and `SUPABASE_*` are ignored.
    Simulate,
}

/// Where a provider is reached, and with what.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    pub provider: ProviderId,
    /// `…_BASE_URL` or `OLLAMA_HOST`; absent: the provider's own.
    pub base_url: Option<Url>,
    /// `…_API_KEY`.
    pub key: Option<SecretString>,
}

/// The team's project.
#[derive(Debug, Clone)]
pub struct SupabaseConfig {
    /// `SUPABASE_URL`.
    pub url: Url,
    /// `SUPABASE_ANON_KEY`.
    pub key: SecretString,
    /// `SUPABASE_ACCESS_TOKEN`; default: the session of `ai-cost-optimizer login`.
    pub access_token: Option<SecretString>,
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    pub mode: Mode,
    /// `COST_OPTIMIZER_DATA_DIR`; default: the platform's data folder.
    pub data_dir: PathBuf,
    /// `COST_OPTIMIZER_CONFIG`, where there is such a file.
    pub file: Option<PathBuf>,
    /// `LOG_LEVEL`; default: info for the server, warn for other commands.
    pub log_level: Option<tracing::Level>,
    /// The providers that have what they need, in the order of [`ProviderId`].
    pub providers: Vec<ProviderConfig>,
    /// Absent: the local store.
    pub supabase: Option<SupabaseConfig>,
    /// `SUPABASE_DB_URL`, for `migrate` alone.
    pub supabase_db_url: Option<SecretString>,
    pub embedding: EmbeddingConfig,
    /// `SIMILARITY_THRESHOLD`, in (0, 1]; default: none, the calibrated policy.
    pub similarity_threshold: Option<f32>,
    /// `CACHE_ERROR_RATE`, in (0, 0.5]; default: 0.02.
    pub cache_error_rate: Option<f64>,
    /// `CACHE_AUDIT_RATE`, in [0, 1]; default: a tenth, falling.
    pub cache_audit_rate: Option<f64>,
    /// `CACHE_TTL`; default: 30 days.
    pub cache_ttl: Duration,
    /// `BASELINE_MODEL`; default: the first priced model of the best tier that is configured.
    pub baseline_model: Option<String>,
    /// `DEFAULT_STRATEGY`; default: hybrid.
    pub default_strategy: StrategyName,
    /// `EXPLORATION_BUDGET_USD`, a month; default: 0.
    pub exploration_budget: Usd,
    /// `DAILY_BUDGET_USD`; default: no limit.
    pub daily_budget: Option<Usd>,
    /// `MONTHLY_BUDGET_USD`; default: no limit.
    pub monthly_budget: Option<Usd>,
    /// `[[budgets]]` of the TOML file.
    pub budgets: Vec<Limit>,
    /// `STORE_PROMPTS`; default: redacted.
    pub store_prompts: StorePrompts,
    /// `RETENTION_DAYS`, 32 to 3,650; default: for ever.
    pub retention: Option<SignedDuration>,
    /// `REQUEST_DEADLINE_MS`; default: 45 s.
    pub request_deadline: Duration,
    pub serving: ServingConfig,
    pub http: HttpConfig,
    /// `[[models]]` of the TOML file.
    pub models: Vec<ModelRow>,
    /// `[[prices]]` of the TOML file.
    pub prices: Vec<PriceRow>,
}

impl Config {
    /// Reads the environment of the process and the TOML file.
    pub fn load(mode: Mode) -> anyhow::Result<Self> {
        let value = |name| Some(environment(name)?.expose_secret().to_owned());
        let environment =
            VARIABLES.iter().filter_map(|variable| Some((variable.name, value(variable.name)?)));
        Self::from_environment(mode, environment.collect())
    }

    /// Reads given variables as if they were the environment.
    pub fn from_environment(mode: Mode, environment: HashMap<&'static str, String>) -> anyhow::Result<Self> {
        let folders = ProjectDirs::from("", "", "ai-cost-optimizer");
        let mut values = Values { of: BTreeMap::new() };
        values.add(environment.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let default_file = folders.as_ref().map(|folders| folders.config_dir().join("config.toml"));
        let path = match values.text("COST_OPTIMIZER_CONFIG") {
            Some(path) => Some(PathBuf::from(path)),
            None => default_file.filter(|path| path.is_file()),
        };
        let tables = match &path {
            Some(path) => values.add_file(path)?,
            None => File::default(),
        };
        let data_dir = match (values.text("COST_OPTIMIZER_DATA_DIR"), &folders) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(folders)) => folders.data_dir().to_owned(),
            (None, None) => bail!("no home folder is known; hint: set COST_OPTIMIZER_DATA_DIR to a folder"),
        };
        let supabase = if mode == Mode::Simulate { None } else { supabase(&values)? };
        Ok(Self {
            mode: if supabase.is_some() { Mode::Supabase } else { mode },
            supabase,
            supabase_db_url: if mode == Mode::Simulate { None } else { values.secret("SUPABASE_DB_URL")? },
            data_dir,
            file: path,
            log_level: values
                .parsed("LOG_LEVEL", "error, warn, info, debug or trace", |text| text.parse().ok())?,
            providers: if mode == Mode::Simulate { Vec::new() } else { providers(&values)? },
            embedding: EmbeddingConfig::read(&values)?,
            similarity_threshold: values.parsed(
                "SIMILARITY_THRESHOLD",
                "a number above 0, at most 1",
                |text| text.parse().ok().filter(|threshold| *threshold > 0.0 && *threshold <= 1.0),
            )?,
            cache_error_rate: values.parsed("CACHE_ERROR_RATE", "a share above 0, at most 0.5", |text| {
                text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 0.5)
            })?,
            cache_audit_rate: values.parsed("CACHE_AUDIT_RATE", "a share from 0 to 1", |text| {
                text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))
            })?,
            cache_ttl: values
                .parsed("CACHE_TTL", "a time from 1s to 365d, such as 90s, 12h or 30d", duration)?
                .unwrap_or(Duration::from_secs(30 * 24 * 60 * 60)),
            baseline_model: values.text("BASELINE_MODEL").map(str::to_owned),
            default_strategy: values
                .parsed("DEFAULT_STRATEGY", "complexity, learning or hybrid", |text| text.parse().ok())?
                .unwrap_or_default(),
            exploration_budget: amount(&values, "EXPLORATION_BUDGET_USD")?.unwrap_or(Usd::ZERO),
            daily_budget: amount(&values, "DAILY_BUDGET_USD")?,
            monthly_budget: amount(&values, "MONTHLY_BUDGET_USD")?,
            budgets: tables
                .budgets
                .into_iter()
                .map(|row| row.into_limit(SetBy::Config))
                .collect::<Result<_, _>>()
                .context("[[budgets]]")?,
            store_prompts: values
                .parsed("STORE_PROMPTS", "redacted, full, hash or off", |text| text.parse().ok())?
                .unwrap_or_default(),
            retention: values.parsed(
                "RETENTION_DAYS",
                "whole days from 32, as sums of a month need them, to 3650",
                |text| {
                    let days: i64 = text.parse().ok().filter(|days| (32..=3_650).contains(days))?;
                    Some(SignedDuration::from_hours(24 * days))
                },
            )?,
            request_deadline: values
                .parsed("REQUEST_DEADLINE_MS", "whole milliseconds from 1000 to 240000", |text| {
                    text.parse().ok().filter(|ms| (1_000..=240_000).contains(ms)).map(Duration::from_millis)
                })?
                .unwrap_or(Duration::from_secs(45)),
            serving: ServingConfig::read(&values)?,
            http: HttpConfig::read(&values)?,
            models: tables.models,
            prices: tables.prices,
        })
    }

    /// Gives the file of the local store, or of what waits for the project; a simulation has its own.
    pub fn store_path(&self) -> PathBuf {
        self.data_dir.join(match self.mode {
            Mode::Local => "optimizer.sqlite3",
            Mode::Supabase => "outbox.sqlite3",
            Mode::Simulate => "simulated.sqlite3",
        })
    }
}

struct Values {
    of: BTreeMap<String, String>,
}

impl Values {
    /// Adds values for names that have none yet.
    fn add(&mut self, values: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in values {
            let value = value.trim();
            let is_unset = value.is_empty() || (value.starts_with("${") && value.ends_with('}'));
            if !is_unset {
                self.of.entry(name).or_insert_with(|| value.to_owned());
            }
        }
    }

    fn add_file(&mut self, path: &Path) -> anyhow::Result<File> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("COST_OPTIMIZER_CONFIG: {name} cannot be read"))?;
        let mut file: File = toml::from_str(&text).map_err(|error| {
            // The error's own text would quote the line, which may hold a key.
            let line =
                error.span().map_or(0, |span| text.get(..span.start).unwrap_or("").lines().count().max(1));
            anyhow::anyhow!("{name}, line {line}: {}", error.message())
        })?;
        for (key, value) in std::mem::take(&mut file.variables) {
            if !VARIABLES.iter().any(|variable| variable.name == key) {
                bail!(
                    "{name}: `{key}` is no variable; hint: the README lists them, and [[models]], [[prices]], [[budgets]]"
                );
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => bail!("{name}: `{key}` must be a text, a number, true or false"),
            };
            self.add([(key, text)]);
        }
        Ok(file)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.of.get(name).map(String::as_str)
    }

    /// Gives a value that goes into a header; the message does not show it.
    fn secret(&self, name: &str) -> anyhow::Result<Option<SecretString>> {
        match self.text(name) {
            Some(key) if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                bail!("{name} holds a character that no key has (a space or a quote?); hint: copy it again")
            }
            key => Ok(key.map(SecretString::from)),
        }
    }

    fn parsed<T>(
        &self,
        name: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> anyhow::Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => bail!("{name} is `{text}`; accepted: {accepted}"),
        }
    }
}

fn amount(values: &Values, name: &str) -> anyhow::Result<Option<Usd>> {
    values.parsed(name, "US dollars from 0 to 1000000, such as 0.5", |text| {
        let dollars = text.parse().ok().filter(|dollars| (0.0..=MOST_USD).contains(dollars))?;
        Usd::from_dollars(dollars).ok()
    })
}

fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let seconds = span.total((jiff::Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    let year = 365.0 * 24.0 * 60.0 * 60.0;
    (1.0..=year).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn providers(values: &Values) -> anyhow::Result<Vec<ProviderConfig>> {
    let mut configured = Vec::new();
    for provider in ProviderId::VARIANTS.iter().copied() {
        let (keys, url): (&[&str], &str) = match provider {
            ProviderId::Anthropic => (&["ANTHROPIC_API_KEY"], "ANTHROPIC_BASE_URL"),
            ProviderId::Gemini => (&["GEMINI_API_KEY", "GOOGLE_API_KEY"], "GEMINI_BASE_URL"),
            ProviderId::Cerebras => (&["CEREBRAS_API_KEY"], "CEREBRAS_BASE_URL"),
            ProviderId::OpenRouter => (&["OPENROUTER_API_KEY"], "OPENROUTER_BASE_URL"),
            ProviderId::OpenAiCompatible => (&["OPENAI_COMPATIBLE_API_KEY"], "OPENAI_COMPATIBLE_BASE_URL"),
            ProviderId::Ollama => (&[], "OLLAMA_HOST"),
        };
        let key = keys.iter().find(|name| values.text(name).is_some());
        let key = key.map_or(Ok(None), |name| values.secret(name))?;
        let accepted = "an https URL, or http on this machine (OLLAMA_HOST: or on a private network)";
        let base_url = values.parsed(url, accepted, |text| base_url(text, provider))?;
        let is_reachable_by_url = matches!(provider, ProviderId::OpenAiCompatible | ProviderId::Ollama);
        if if is_reachable_by_url { base_url.is_some() } else { key.is_some() } {
            configured.push(ProviderConfig { provider, base_url, key });
        }
    }
    Ok(configured)
}

fn supabase(values: &Values) -> anyhow::Result<Option<SupabaseConfig>> {
    let accepted = "the project's https address, such as https://REF.supabase.co (http on this machine)";
    let Some(url) = values.parsed("SUPABASE_URL", accepted, |text| base_url(text, ProviderId::Anthropic))?
    else {
        return Ok(None);
    };
    let Some(key) = values.secret("SUPABASE_ANON_KEY")? else {
        bail!(
            "SUPABASE_URL is set and SUPABASE_ANON_KEY is not; hint: set it to the project's publishable key"
        );
    };
    Ok(Some(SupabaseConfig { url, key, access_token: values.secret("SUPABASE_ACCESS_TOKEN")? }))
}

/// Takes https anywhere, and http where nobody outside can listen.
fn base_url(text: &str, provider: ProviderId) -> Option<Url> {
    let is_ollama = provider == ProviderId::Ollama;
    let text = if is_ollama && !text.contains("://") { format!("http://{text}") } else { text.to_owned() };
    let url = Url::parse(&text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let address: Option<std::net::IpAddr> = host.parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let is_private = address.is_some_and(|address| match address {
        std::net::IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unique_local(),
    });
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback || (is_ollama && (is_private || !host.contains('.'))),
        _ => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_safe && is_plain).then_some(url)
}
