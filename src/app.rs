//! The composition root: the only place that knows every adapter.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use strum::VariantArray;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Project};
use crate::cache::admission::DEFAULT_SIMILARITY_THRESHOLD;
use crate::config::{Config, Mode, ProviderConfig};
use crate::cost::catalogue::Catalogue;
use crate::cost::models::Models;
use crate::domain::model::ProviderId;
use crate::embed::minilm::{DeviceChoice, MiniLm};
use crate::embed::weights::{ModelName, Reach, WeightsSource};
use crate::embed::worker::EmbedWorker;
use crate::embed::{EmbedError, Embedder};
use crate::mcp::server::Server;
use crate::pipeline::{Ending, Flights, Pipeline, Settings};
use crate::providers::Provider;
use crate::providers::anthropic::{self, Anthropic};
use crate::providers::fallback::Providers;
use crate::providers::gemini::{self, Gemini};
use crate::providers::http::{self, Endpoint};
use crate::providers::ollama::{self, Ollama};
use crate::providers::openai_chat::{Flavour, OpenAiChat};
use crate::providers::simulated::Simulated;
use crate::routing::candidates::variable;
use crate::store::local::LocalStore;

/// The program, put together.
#[derive(Debug, Clone)]
pub struct App {
    pub config: Config,
    pub pipeline: Pipeline,
}

impl App {
    /// Puts the program together; nothing is opened, loaded or called yet.
    ///
    /// `reach` says how far the search for the embedder's weights may go.
    pub fn new(config: Config, reach: Reach) -> anyhow::Result<Self> {
        let models = Arc::new(Models::new(&config.models).context(in_file(&config, "models"))?);
        let catalogue = Arc::new(Catalogue::new(&config.prices).context(in_file(&config, "prices"))?);
        let providers = providers(&config)?;
        let baseline = match &config.baseline_model {
            Some(name) => Some(models.find(name).context("BASELINE_MODEL")?.reference),
            None => None,
        };
        let settings = Settings {
            similarity_threshold: config.similarity_threshold.unwrap_or(DEFAULT_SIMILARITY_THRESHOLD),
            cache_ttl: config.cache_ttl,
            baseline,
            request_deadline: config.request_deadline,
            simulated: config.mode == Mode::Simulate,
        };
        let pipeline = Pipeline {
            settings,
            models,
            catalogue,
            store: Arc::new(LocalStore::new(config.store_path())),
            embedder: embedder(&config, reach)?,
            providers,
            payments: TaskTracker::new(),
            flights: Flights::default(),
            ending: Ending::default(),
        };
        Ok(Self { config, pipeline })
    }

    /// Waits until the embedder is loaded or known to be unavailable, as a command that ends may.
    pub async fn await_embedder(&self) {
        self.pipeline.embedder.ready().await;
    }

    /// Makes the MCP server of this program.
    pub fn server(&self) -> Server {
        Server::new(self.pipeline.clone(), self.config.default_strategy)
    }
}

fn in_file(config: &Config, table: &str) -> String {
    let file = config.file.as_ref().map_or_else(String::new, |path| path.display().to_string());
    format!("[[{table}]] in {file}")
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

fn embedder(config: &Config, reach: Reach) -> anyhow::Result<EmbedWorker> {
    let source = weights_source(config)?;
    let device: DeviceChoice = config.embedding.device.parse().context("EMBEDDING_DEVICE")?;
    // A device that this build lacks is found out now, not by the first prompt.
    if device != DeviceChoice::Auto {
        device.open()?;
    }
    let load = move || -> Result<Box<dyn Embedder>, EmbedError> {
        let weights = source.load(reach)?;
        Ok(Box::new(MiniLm::new(weights, device)?))
    };
    Ok(EmbedWorker::new(Box::new(load)))
}

fn providers(config: &Config) -> anyhow::Result<Providers> {
    if config.mode == Mode::Simulate {
        let simulated: Arc<dyn Provider> = Arc::new(Simulated { latency: Duration::ZERO });
        return Ok(ProviderId::VARIANTS.iter().map(|id| (*id, Arc::clone(&simulated))).collect());
    }
    let client = http::client().context("the HTTP client cannot be made")?;
    config
        .providers
        .iter()
        .map(|configured| Ok((configured.provider, provider(configured, client.clone())?)))
        .collect()
}

fn provider(configured: &ProviderConfig, client: reqwest::Client) -> anyhow::Result<Arc<dyn Provider>> {
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
    let endpoint =
        Endpoint { base_url, key: configured.key.clone(), key_variable: variable(configured.provider) };
    Ok(match configured.provider {
        ProviderId::Anthropic => Arc::new(Anthropic::new(client, endpoint)),
        ProviderId::Gemini => Arc::new(Gemini::new(client, endpoint)),
        ProviderId::Cerebras => Arc::new(OpenAiChat::new(client, endpoint, Flavour::Cerebras)),
        ProviderId::OpenRouter => Arc::new(OpenAiChat::new(client, endpoint, Flavour::OpenRouter)),
        ProviderId::OpenAiCompatible => Arc::new(OpenAiChat::new(client, endpoint, Flavour::Compatible)),
        ProviderId::Ollama => Arc::new(Ollama::new(client, endpoint)),
    })
}
