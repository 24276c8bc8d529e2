//! `route`: one prompt from the command line.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use std::io::Read as _;
use std::time::Duration;

use super::{Exit, Form, show, without_nulls};
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::mcp::wire::read;
use crate::mcp::wire::request::{RouteInput, Wish};
use crate::mcp::wire::route::RouteOutput;
use crate::pipeline::{Progress, RouteError, Routed};

/// Longest prompt read from stdin, in bytes; the limit in characters is checked after.
const MAX_STDIN: u64 = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct RouteArguments {
    /// The prompt; `-` reads it from stdin
    #[arg(required_unless_present = "resume", default_value = "")]
    prompt: String,
    /// Bring back the answer of this earlier request instead
    #[arg(long, value_name = "REQUEST_ID", conflicts_with = "prompt")]
    resume: Option<String>,
    /// System prompt
    #[arg(long)]
    system: Option<String>,
    /// economy, balanced or best
    #[arg(long)]
    quality: Option<String>,
    /// complexity, learning or hybrid
    #[arg(long)]
    strategy: Option<String>,
    /// Use this model only: provider/model or a bare id
    #[arg(long)]
    model: Option<String>,
    /// Limit on visible output tokens
    #[arg(long, value_name = "TOKENS")]
    max_output_tokens: Option<u32>,
    /// 0 to 2; above 0.3 nothing is cached
    #[arg(long)]
    temperature: Option<f64>,
    /// The most this call may cost, in US dollars
    #[arg(long, value_name = "USD", allow_negative_numbers = true)]
    max_cost_usd: Option<f64>,
    /// Also use models whose price is unknown
    #[arg(long)]
    allow_unpriced: bool,
    /// use, refresh or off
    #[arg(long)]
    cache: Option<String>,
    /// Only list candidates with their prices
    #[arg(long)]
    dry_run: bool,
    /// Name of the conversation this belongs to
    #[arg(long)]
    session: Option<String>,
    /// Label to report costs by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

pub(super) async fn run(config: Config, arguments: RouteArguments, form: Form) -> anyhow::Result<Exit> {
    let default_strategy = config.default_strategy;
    let is_dry_run = arguments.dry_run;
    let wish = arguments.into_input()?.into_wish(default_strategy).map_err(anyhow::Error::msg)?;
    let app = App::new(config, Reach::HubThenPip)?;
    let is_configured = !app.pipeline.providers.ids().is_empty();
    let routed = match wish {
        Wish::Resume(id) => answer(app.pipeline.resume(id, &Progress::default())).await,
        Wish::Route(request) if is_configured => {
            app.await_embedder().await;
            answer(app.pipeline.route(*request, &Progress::default())).await
        }
        Wish::Plan(request) | Wish::Route(request) => {
            let output = RouteOutput::from(app.pipeline.plan(*request).await?);
            show(form, &output, &output.to_plan_text())?;
            return Ok(if is_dry_run { Exit::Success } else { Exit::NotConfigured });
        }
    };
    // Whatever still runs is broken off now and recorded with what it may have cost.
    app.pipeline.settle(Duration::ZERO).await;
    let output = RouteOutput::from(routed?);
    show(form, &output, &output.to_text())?;
    Ok(Exit::Success)
}

/// Waits for an answer, or until the user has had enough.
async fn answer(routing: impl Future<Output = Result<Routed, RouteError>>) -> anyhow::Result<Routed> {
    tokio::select! {
        routed = routing => Ok(routed?),
        _ = tokio::signal::ctrl_c() => bail!("interrupted; what the call may have cost is recorded"),
    }
}

impl RouteArguments {
    /// Words the arguments as the tool takes them, so that both are checked by the same code.
    fn into_input(self) -> anyhow::Result<RouteInput> {
        let prompt = if self.prompt == "-" { read_stdin()? } else { self.prompt };
        let object = without_nulls(json!({
            "prompt": prompt,
            "system": self.system,
            "quality": self.quality,
            "strategy": self.strategy,
            "model": self.model,
            "max_output_tokens": self.max_output_tokens,
            "temperature": self.temperature,
            "max_cost_usd": self.max_cost_usd,
            "allow_unpriced": self.allow_unpriced,
            "cache": self.cache,
            "dry_run": self.dry_run,
            "session": self.session,
            "tags": self.tags,
            "resume": self.resume,
        }));
        read(object).map_err(anyhow::Error::msg)
    }
}

fn read_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_STDIN)
        .read_to_string(&mut text)
        .context("the prompt on stdin is not UTF-8 text")?;
    Ok(text)
}
