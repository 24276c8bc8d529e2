//! `experiment`: compare ways to answer, over real requests.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::table::{Align, Table};
use super::{Exit, Form, print, print_json, show, without_nulls};
use crate::app::App;
use crate::config::Config;
use crate::dashboard::experiment::{POINTS, effect_over_time};
use crate::embed::weights::Reach;
use crate::experiments::lifecycle::Kept;
use crate::mcp::wire::experiment::{StartInput, StartOutput, StateOutput};
use crate::mcp::wire::outcomes::{HEADING, Outcomes};
use crate::mcp::wire::read;
use crate::mcp::wire::verdict::VerdictOutput;

#[derive(Debug, Subcommand)]
pub(super) enum ExperimentCommand {
    /// Start one; the first arm is control
    Start(Box<StartArguments>),
    /// Show what one proves so far
    Report(VerdictArguments),
    /// End one, or make an arm of one that has ended the default
    Stop {
        name: String,
        /// Arm that becomes the default
        #[arg(long, value_name = "ARM")]
        adopt: Option<String>,
        /// Put one that has ended away; the arm that it made the default is so no more
        #[arg(long, conflicts_with = "adopt")]
        archive: bool,
    },
    /// List all, newest first
    List,
}

#[derive(Debug, Args)]
pub(super) struct StartArguments {
    name: String,
    /// Arm: NAME[,weight=W][,strategy=S][,model=M][,quality=Q][,cache_error_rate=R], or a JSON object, which takes
    /// `system_prefix` too; 2 to 8 times
    #[arg(long = "arm", value_name = "ARM", required = true)]
    arms: Vec<String>,
    /// `cost_usd`, `rating`, `latency_ms`, `success` or `saved_usd`
    #[arg(long)]
    metric: String,
    #[arg(long)]
    hypothesis: Option<String>,
    /// request (default) or session
    #[arg(long)]
    unit: Option<String>,
    /// lower or higher; absent: the metric's usual
    #[arg(long)]
    direction: Option<String>,
    /// Metric that a treatment must not worsen by more than a margin: METRIC=MARGIN
    #[arg(long = "guardrail", value_name = "METRIC=MARGIN")]
    guardrails: Vec<String>,
    /// Smallest difference that matters, in the metric's unit
    #[arg(long)]
    minimum_effect: Option<f64>,
    /// A smaller difference is none
    #[arg(long)]
    equivalence_margin: Option<f64>,
    /// Chance that any claim is false (default 0.05)
    #[arg(long)]
    alpha: Option<f64>,
    /// sequential (default) or fixed
    #[arg(long)]
    method: Option<String>,
    #[arg(long)]
    max_requests: Option<u64>,
    #[arg(long)]
    max_days: Option<u32>,
    #[arg(long)]
    max_spend_usd: Option<f64>,
    /// Only requests with one of these tags
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only requests of this quality: economy, balanced or best
    #[arg(long)]
    quality: Option<String>,
    /// Only prompts that look so hard: simple, moderate or complex
    #[arg(long)]
    tier: Option<String>,
    /// End at the first verdict
    #[arg(long)]
    auto_stop: bool,
    /// Agree to what it may spend
    #[arg(long)]
    confirm: bool,
    /// Two starts with the same key are one
    #[arg(long)]
    idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerdictArguments {
    name: String,
    /// Print every assignment with its outcome as comma-separated values
    #[arg(long, conflicts_with_all = ["svg", "png"])]
    csv: bool,
    /// Draw the interval over time into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

pub(super) async fn run(config: Config, command: ExperimentCommand, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    match command {
        ExperimentCommand::Start(arguments) => start(&app, *arguments, form).await,
        ExperimentCommand::Report(arguments) => report(&app, arguments, form).await,
        ExperimentCommand::Stop { name, adopt, archive } => {
            let changed = if archive {
                app.pipeline.archive_experiment(&name).await
            } else {
                app.pipeline.stop_experiment(&name, adopt).await
            };
            let output = StateOutput::new(&changed?, app.pipeline.settings.simulated);
            show(form, &output, &output.to_text())?;
            Ok(Exit::Success)
        }
        ExperimentCommand::List => list(&app, form).await,
    }
}

async fn start(app: &App, arguments: StartArguments, form: Form) -> anyhow::Result<Exit> {
    let start = arguments.into_input()?.into_start().map_err(anyhow::Error::msg)?;
    let pipeline = &app.pipeline;
    let launch = pipeline.start_experiment(start.definition, start.idempotency_key, start.consent).await?;
    let output = StartOutput::new(launch, pipeline.settings.simulated);
    show(form, &output, &output.to_text())?;
    Ok(Exit::Success)
}

async fn report(app: &App, arguments: VerdictArguments, form: Form) -> anyhow::Result<Exit> {
    let pipeline = &app.pipeline;
    let (kept, report) = pipeline.experiment_report(&arguments.name).await?;
    if arguments.csv {
        print_outcomes(app, &kept).await?;
        return Ok(Exit::Success);
    }
    if arguments.svg.is_some() || arguments.png.is_some() {
        let moments = pipeline.experiment_timeline(&kept, POINTS).await?;
        let chart = effect_over_time(&kept, &moments, pipeline.settings.simulated)
            .context("there is no interval over time yet: each arm needs 30 units with an outcome")?;
        let write = |path: &PathBuf, bytes: &[u8]| {
            std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
        };
        if let Some(path) = &arguments.svg {
            write(path, chart.svg()?.as_bytes())?;
        }
        if let Some(path) = &arguments.png {
            write(path, &chart.png()?)?;
        }
    }
    let output = VerdictOutput::new(&kept, &report, pipeline.settings.simulated);
    show(form, &output, &output.to_text())?;
    Ok(Exit::Success)
}

async fn print_outcomes(app: &App, kept: &Kept) -> anyhow::Result<()> {
    print(HEADING);
    let mut after = None;
    loop {
        let page = Outcomes::page(&app.pipeline, kept, after).await?;
        let rows = page.rows();
        if !rows.is_empty() {
            print(&rows);
        }
        after = page.next();
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn list(app: &App, form: Form) -> anyhow::Result<Exit> {
    let all = app.pipeline.experiments().await?;
    if form == Form::Json {
        let outputs: Vec<StateOutput> =
            all.iter().map(|kept| StateOutput::new(kept, app.pipeline.settings.simulated)).collect();
        print_json(&outputs)?;
        return Ok(Exit::Success);
    }
    let columns = ["name", "status", "metric", "arms", "default", "started"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    for kept in &all {
        let definition = kept.experiment.definition();
        let arms: Vec<&str> = definition.arms.iter().map(|arm| arm.name.as_str()).collect();
        table.add(vec![
            kept.name().to_owned(),
            kept.status.to_string(),
            definition.metric.to_string(),
            arms.join(", "),
            kept.adopted_arm().unwrap_or_default().to_owned(),
            kept.created_at.strftime("%Y-%m-%d %H:%M").to_string(),
        ]);
    }
    let hint = "there is no experiment; hint: `experiment start --help`";
    print(&if all.is_empty() { hint.to_owned() } else { table.to_string() });
    Ok(Exit::Success)
}

impl StartArguments {
    /// Words the arguments as the tool takes them, so that both are checked by the same code.
    fn into_input(self) -> anyhow::Result<StartInput> {
        let arms: Vec<Value> = self.arms.iter().map(|text| arm(text)).collect::<anyhow::Result<_>>()?;
        let guardrails: Vec<Value> =
            self.guardrails.iter().map(|text| guardrail(text)).collect::<anyhow::Result<_>>()?;
        let eligibility = without_nulls(json!({
            "tags": self.tags, "quality": self.quality, "tier": self.tier,
        }));
        let object = without_nulls(json!({
            "name": self.name, "hypothesis": self.hypothesis, "arms": arms, "unit": self.unit,
            "metric": self.metric, "direction": self.direction, "guardrails": guardrails,
            "minimum_effect": self.minimum_effect, "equivalence_margin": self.equivalence_margin,
            "alpha": self.alpha, "method": self.method, "max_requests": self.max_requests,
            "max_days": self.max_days, "max_spend_usd": self.max_spend_usd, "eligibility": eligibility,
            "auto_stop": self.auto_stop, "confirm": self.confirm, "idempotency_key": self.idempotency_key,
        }));
        read(object).map_err(anyhow::Error::msg)
    }
}

/// Reads `NAME,key=value…` or a JSON object.
fn arm(text: &str) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).with_context(|| format!("--arm `{text}` is not JSON"));
    }
    let mut parts = text.split(',');
    let mut arm = Map::from_iter([("name".to_owned(), json!(parts.next()))]);
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .with_context(|| format!("--arm `{text}`: `{part}` is not KEY=VALUE; hint: NAME,model=M"))?;
        let is_number = matches!(key.trim(), "weight" | "cache_error_rate");
        let number = value.trim().parse::<f64>().ok().filter(|_| is_number);
        arm.insert(key.trim().to_owned(), number.map_or_else(|| json!(value.trim()), |number| json!(number)));
    }
    Ok(Value::Object(arm))
}

fn guardrail(text: &str) -> anyhow::Result<Value> {
    let hint = || format!("--guardrail `{text}` is not METRIC=MARGIN; hint: success=0.02");
    let (metric, margin) = text.split_once('=').with_context(hint)?;
    let margin: f64 = margin.trim().parse().with_context(hint)?;
    Ok(json!({ "metric": metric.trim(), "margin": margin }))
}
