//! The composition root: the only place that knows every adapter.

mod team;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use jiff::Timestamp;
use reqwest::Client;
use strum::VariantArray;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Project};
use crate::cache::admission::{CachePolicy, DEFAULT_ERROR_RATE, DEFAULT_SIMILARITY_THRESHOLD};
use crate::config::{Config, Mode, ProviderConfig};
use crate::cost::catalogue::Catalogue;
use crate::cost::models::Models;
use crate::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use crate::domain::model::ProviderId;
use crate::domain::money::Usd;
use crate::embed::choice::{DeviceChoice, EmbedderChoice};
use crate::embed::minilm::MiniLm;
use crate::embed::weights::{ModelName, Reach, WeightsSource};
use crate::embed::worker::EmbedWorker;
use crate::embed::{EmbedError, Embedder};
use crate::mcp::server::{BadOffer, Server};
use crate::pipeline::{
    Budgets, Calibrations, Ending, Experiments, Flights, Learning, Pipeline, Sessions, Settings, Trials,
};
use crate::providers::anthropic::{self, Anthropic};
use crate::providers::check::{Contact, contact};
use crate::providers::fallback::Providers;
use crate::providers::gemini::{self, Gemini};
use crate::providers::http::{self, Endpoint};
use crate::providers::ollama::{self, Ollama};
use crate::providers::openai_chat::{Flavour, OpenAiChat};
use crate::providers::price_list::{PriceCache, PriceLists, PriceSource};
use crate::providers::simulated::Simulated;
use crate::providers::{Provider, ProviderError};
use crate::routing::candidates::variable;
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::supabase::SupabaseStore;
use crate::store::supabase::outbox::Outbox;

/// What came of asking a provider whether it is there.
pub type Contacted = Result<Contact, ProviderError>;

/// The program, put together.
#[derive(Debug, Clone)]
pub struct App {
    pub config: Config,
    pub pipeline: Pipeline,
    /// The live lists of the configured providers; a simulation has none.
    pub price_lists: Option<PriceLists>,
    /// The project, where one is configured; it is the pipeline's store too.
    pub team: Option<Arc<SupabaseStore>>,
}

impl App {
    /// Puts the program together; nothing is opened, loaded or called yet, but kept price lists are read.
    ///
    /// `reach` says how far the search for the embedder's weights may go.
    pub fn new(config: Config, reach: Reach) -> anyhow::Result<Self> {
        let models = Arc::new(Models::new(&config.models).context(in_file(&config, "models"))?);
        let catalogue = Arc::new(Catalogue::new(&config.prices).context(in_file(&config, "prices"))?);
        let (providers, price_lists) = match config.mode {
            Mode::Simulate => (simulated(), None),
            Mode::Local | Mode::Supabase => {
                let client = http::client().context("the HTTP client cannot be made")?;
                let providers = providers(&config, &client)?;
                (providers, Some(price_lists(&config, client, Arc::clone(&catalogue))?))
            }
        };
        let baseline = match &config.baseline_model {
            Some(name) => Some(models.find(name).context("BASELINE_MODEL")?.reference),
            None => None,
        };
        let team = team_store(&config)?.map(Arc::new);
        let store: Arc<dyn Store> = match &team {
            Some(store) => Arc::clone(store) as Arc<dyn Store>,
            None => Arc::new(LocalStore::new(config.store_path())),
        };
        let settings = Settings {
            cache_policy: cache_policy(&config),
            cache_ttl: config.cache_ttl,
            baseline,
            request_deadline: config.request_deadline,
            default_strategy: config.default_strategy,
            exploration_budget: config.exploration_budget,
            store_prompts: config.store_prompts,
            retention: config.retention,
            simulated: config.mode == Mode::Simulate,
        };
        let pipeline = Pipeline {
            settings,
            models,
            catalogue,
            store,
            embedder: embedder(&config, reach)?,
            providers,
            payments: TaskTracker::new(),
            flights: Flights::default(),
            calibrations: Calibrations::default(),
            learning: Learning::default(),
            sessions: Sessions::default(),
            trials: Trials::default(),
            experiments: Experiments::default(),
            budgets: Budgets::new(limits(&config), &process_name()),
            ending: Ending::default(),
        };
        Ok(Self { config, pipeline, price_lists, team })
    }

    /// Asks each configured provider whether it is there and takes the key; the calls cost nothing.
    pub async fn contact_providers(&self) -> anyhow::Result<Vec<(ProviderId, Contacted)>> {
        let client = http::client().context("the HTTP client cannot be made")?;
        let mut contacts = Vec::new();
        for configured in &self.config.providers {
            let (client, endpoint) = (client.clone(), endpoint(configured)?);
            let provider = configured.provider;
            contacts.push(async move { (provider, contact(&client, &endpoint, provider).await) });
        }
        Ok(join_all(contacts).await)
    }

    /// Waits until the embedder is loaded or known to be unavailable, as a command that ends may.
    pub async fn await_embedder(&self) {
        self.pipeline.embedder.ready().await;
    }

    /// Makes the MCP server of this program.
    pub fn server(&self) -> Result<Server, BadOffer> {
        Server::new(self.pipeline.clone()).offered(&self.config.serving)
    }
}

/// Gives the limits of the variables and of the file.
fn limits(config: &Config) -> Vec<Limit> {
    let of = |period: Period, most: Option<Usd>| {
        let scope = Scope { period, tag: None };
        most.map(|most| Limit { scope, most, on_breach: OnBreach::default(), set_by: SetBy::Config })
    };
    let variables = [of(Period::Day, config.daily_budget), of(Period::Month, config.monthly_budget)];
    variables.into_iter().flatten().chain(config.budgets.iter().cloned()).collect()
}

/// Names this process where several share a store.
fn process_name() -> String {
    format!("pid {} since {}", std::process::id(), Timestamp::now())
}

fn in_file(config: &Config, table: &str) -> String {
    let file = config.file.as_ref().map_or_else(String::new, |path| path.display().to_string());
    format!("[[{table}]] in {file}")
}

fn team_store(config: &Config) -> anyhow::Result<Option<SupabaseStore>> {
    let (Some(supabase), Some(auth)) = (&config.supabase, auth(config)?) else { return Ok(None) };
    let project = Project::new(supabase.url.clone(), supabase.key.clone())?;
    let client = http::client().context("the HTTP client cannot be made")?;
    let socket_client = http::socket_client().context("the HTTP client cannot be made")?;
    let outbox = Outbox::new(config.store_path());
    Ok(Some(SupabaseStore::new(client, socket_client, project, auth, outbox)))
}

/// Makes the one place that gives out the user's tokens; `None` where no project is configured.
pub fn auth(config: &Config) -> anyhow::Result<Option<Auth>> {
    let Some(supabase) = &config.supabase else { return Ok(None) };
    let project = Project::new(supabase.url.clone(), supabase.key.clone())?;
    let client = http::client().context("the HTTP client cannot be made")?;
    Ok(Some(Auth::new(client, &project, supabase.access_token.clone(), config.data_dir.clone())))
}

/// Gives the place where the embedder's weights may be.
pub fn weights_source(config: &Config) -> anyhow::Result<WeightsSource> {
    let name = ModelName::new(&config.embedding.model_name).context("EMBEDDING_MODEL_NAME")?;
    let data_dir = config.data_dir.clone();
    Ok(WeightsSource { name, folder: config.embedding.model_path.clone(), data_dir })
}

/// Gives what was chosen about the embedder.
pub fn embedder_choice(config: &Config) -> anyhow::Result<EmbedderChoice> {
    Ok(EmbedderChoice {
        device: config.embedding.device.parse().context("EMBEDDING_DEVICE")?,
        engine: config.embedding.engine.parse().context("EMBEDDING_ENGINE")?,
        precision: config.embedding.precision.parse().context("EMBEDDING_PRECISION")?,
    })
}

/// A threshold that is set is one to go by; without audits nobody could say how often hits are wrong.
fn cache_policy(config: &Config) -> CachePolicy {
    if let Some(threshold) = config.similarity_threshold {
        return CachePolicy::Plain { threshold };
    }
    if config.cache_audit_rate == Some(0.0) {
        tracing::warn!(
            threshold = %DEFAULT_SIMILARITY_THRESHOLD,
            "CACHE_AUDIT_RATE is 0, so nothing bounds how often a similar prompt's answer is wrong"
        );
        return CachePolicy::Plain { threshold: DEFAULT_SIMILARITY_THRESHOLD };
    }
    let rate = config.cache_error_rate.unwrap_or(DEFAULT_ERROR_RATE);
    CachePolicy::Calibrated { rate, audit_rate: config.cache_audit_rate }
}

fn embedder(config: &Config, reach: Reach) -> anyhow::Result<EmbedWorker> {
    let source = weights_source(config)?;
    let choice = embedder_choice(config)?;
    // A device that this build lacks is found out now, not by the first prompt.
    choice.check()?;
    if choice.device != DeviceChoice::Auto {
        choice.device.open()?;
    }
    let load = move || -> Result<Box<dyn Embedder>, EmbedError> {
        let weights = source.load(reach)?;
        Ok(Box::new(MiniLm::new(&weights, choice)?))
    };
    Ok(EmbedWorker::new(Box::new(load)))
}

fn simulated() -> Providers {
    let simulated: Arc<dyn Provider> = Arc::new(Simulated { latency: Duration::ZERO });
    ProviderId::VARIANTS.iter().map(|id| (*id, Arc::clone(&simulated))).collect()
}

fn providers(config: &Config, client: &Client) -> anyhow::Result<Providers> {
    config
        .providers
        .iter()
        .map(|configured| Ok((configured.provider, provider(configured, client.clone())?)))
        .collect()
}

/// Finds the lists of the configured providers, and puts those that were kept in force.
fn price_lists(config: &Config, client: Client, catalogue: Arc<Catalogue>) -> anyhow::Result<PriceLists> {
    let mut sources = Vec::new();
    for configured in &config.providers {
        sources.extend(PriceSource::new(configured.provider, &endpoint(configured)?.base_url));
    }
    let cache = PriceCache::new(config.data_dir.join("prices"));
    let lists = PriceLists { sources, client, cache, catalogue };
    lists.load();
    Ok(lists)
}

fn provider(configured: &ProviderConfig, client: Client) -> anyhow::Result<Arc<dyn Provider>> {
    let endpoint = endpoint(configured)?;
    Ok(match configured.provider {
        ProviderId::Anthropic => Arc::new(Anthropic::new(client, endpoint)),
        ProviderId::Gemini => Arc::new(Gemini::new(client, endpoint)),
        ProviderId::Cerebras => Arc::new(OpenAiChat::new(client, endpoint, Flavour::Cerebras)),
        ProviderId::OpenRouter => Arc::new(OpenAiChat::new(client, endpoint, Flavour::OpenRouter)),
        ProviderId::OpenAiCompatible => Arc::new(OpenAiChat::new(client, endpoint, Flavour::Compatible)),
        ProviderId::Ollama => Arc::new(Ollama::new(client, endpoint)),
    })
}

/// Gives the place where a configured provider is reached, with its key.
fn endpoint(configured: &ProviderConfig) -> anyhow::Result<Endpoint> {
    let default_url = match configured.provider {
        ProviderId::Anthropic => Some(anthropic::DEFAULT_BASE_URL),
        ProviderId::Gemini => Some(gemini::DEFAULT_BASE_URL),
        ProviderId::Cerebras => Flavour::Cerebras.default_base_url(),
        ProviderId::OpenRouter => Flavour::OpenRouter.default_base_url(),
        ProviderId::OpenAiCompatible => Flavour::Compatible.default_base_url(),
        ProviderId::Ollama => Some(ollama::DEFAULT_BASE_URL),
    };
    let base_url = match (&configured.base_url, default_url) {
        (Some(url), _) => url.clone(),
        (None, Some(url)) => url.parse().context("the provider's own base URL")?,
        (None, None) => anyhow::bail!("{} needs a base URL", configured.provider),
    };
    Ok(Endpoint { base_url, key: configured.key.clone(), key_variable: variable(configured.provider) })
}
