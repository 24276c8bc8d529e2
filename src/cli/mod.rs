//! The command line: one file a subcommand. stdout carries a command's result and nothing else.

mod budget;
mod cache_eval;
mod doctor;
mod experiment;
mod export;
mod forget;
mod install;
mod login;
mod migrate;
mod model;
mod prices;
mod report;
mod route;
mod route_eval;
mod serve;
mod table;
mod team;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Level;

use crate::config::serving::names;
use crate::config::{Config, Mode};
use crate::telemetry;

/// How the process ends, by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success = 0,
    Failure = 1,
    /// Arguments, configuration or the call itself was refused, and stderr says why.
    Refused = 2,
    /// No provider is configured; the result says which variable to set.
    NotConfigured = 3,
}

/// Answers prompts at the lowest cost that still answers them well, and proves it.
///
/// Without a command it is an MCP server on stdin and stdout.
#[derive(Debug, Parser)]
#[command(name = "ai-cost-optimizer", version, max_term_width = 100)]
pub struct Arguments {
    /// Make answers up on this machine, at real prices; every result says so
    #[arg(long, global = true)]
    simulate: bool,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Offer only tools that change and spend nothing
    #[arg(long, global = true)]
    read_only: bool,
    /// Offer these tools only, with commas between
    #[arg(long, global = true, value_name = "NAMES")]
    tools: Option<String>,
    /// Write logs to this file instead of stderr
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one MCP client on stdin and stdout (the default), or a team over HTTP
    Serve(team::ServeArguments),
    /// Answer a prompt, or show what would be asked
    Route(Box<route::RouteArguments>),
    /// Show spend and savings
    Report(report::ReportArguments),
    /// Compare ways to answer, over real requests
    Experiment {
        #[command(subcommand)]
        command: experiment::ExperimentCommand,
    },
    /// Limit what may be spent, and show what is left
    Budget(budget::BudgetArguments),
    /// Print every request, one line each, as CSV or JSON
    Export(export::ExportArguments),
    /// Forget what is kept, for good
    Forget(forget::ForgetArguments),
    /// Sign in to the team's project; the session is kept in the keyring
    Login(login::LoginArguments),
    /// Revoke and forget the session
    Logout,
    /// Bring the database of the team's project to the schema of this program; for its owner
    Migrate(migrate::MigrateArguments),
    /// Write this program's entry into the configuration of Claude Desktop
    Install(install::InstallArguments),
    /// Check configuration, keys, store, weights, clock, prices and models that end
    Doctor(doctor::DoctorArguments),
    /// Show what models cost and where that is from, or fetch the providers' price lists
    Prices(prices::PricesArguments),
    /// Measure what the cache would serve, on labelled texts
    CacheEval {
        #[command(subcommand)]
        command: cache_eval::CacheEvalCommand,
    },
    /// Measure what routing would choose, on prompts whose answers by several models are known
    RouteEval(route_eval::RouteEvalArguments),
    /// Manage the embedding model
    Model {
        #[command(subcommand)]
        command: model::ModelCommand,
    },
}

impl Arguments {
    /// Configures the program and runs the command.
    pub async fn run(self) -> anyhow::Result<Exit> {
        let mode = if self.simulate { Mode::Simulate } else { Mode::Local };
        let mut config = Config::load(mode)?;
        config.serving.is_read_only |= self.read_only;
        if let Some(tools) = &self.tools {
            config.serving.tools = Some(names(tools));
        }
        let is_server = matches!(self.command, None | Some(Command::Serve(_)));
        // People at a terminal asked for a result, not for a log.
        let default_level = if is_server { Level::INFO } else { Level::WARN };
        telemetry::start(config.log_level.unwrap_or(default_level), self.log_file.as_deref())?;
        let is_for_a_team =
            matches!(&self.command, Some(Command::Serve(arguments)) if arguments.http.is_some());
        if config.http.jwt_secret.is_some() && !is_for_a_team {
            tracing::warn!(
                "SUPABASE_JWT_SECRET is not used: it can mint any user's token and belongs on no user's machine; hint: unset it"
            );
        }
        let form = if self.json { Form::Json } else { Form::Text };
        match self.command {
            None => serve::run(config).await,
            Some(Command::Serve(arguments)) => match &arguments.http {
                Some(bind) => team::run(config, bind, &arguments).await,
                None => serve::run(config).await,
            },
            Some(Command::Route(arguments)) => route::run(config, *arguments, form).await,
            Some(Command::Report(arguments)) => report::run(config, arguments, form).await,
            Some(Command::Experiment { command }) => experiment::run(config, command, form).await,
            Some(Command::Budget(arguments)) => budget::run(config, arguments, form).await,
            Some(Command::Export(arguments)) => export::run(config, arguments).await,
            Some(Command::Forget(arguments)) => forget::run(config, arguments, form).await,
            Some(Command::Login(arguments)) => login::login(&config, arguments, form).await,
            Some(Command::Logout) => login::logout(&config, form).await,
            Some(Command::Migrate(arguments)) => migrate::run(config, &arguments, form).await,
            Some(Command::Install(arguments)) => install::run(&config, &arguments, form),
            Some(Command::Doctor(arguments)) => doctor::run(config, &arguments, form).await,
            Some(Command::Prices(arguments)) => prices::run(config, &arguments, form).await,
            Some(Command::CacheEval { command }) => cache_eval::run(&config, &command),
            Some(Command::RouteEval(arguments)) => route_eval::run(&config, &arguments),
            Some(Command::Model { command }) => model::run(&config, &command, form),
        }
    }
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// Prints a result to stdout; a reader that went away is no error.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end());
    let _ = stdout.flush();
}

/// Writes a complaint to stderr, beside a result on stdout.
fn complain(text: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// Prints a result as JSON.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a result as it is wanted.
fn show(form: Form, output: &impl Serialize, text: &str) -> anyhow::Result<()> {
    match form {
        Form::Json => print_json(output)?,
        Form::Text => print(text),
    }
    Ok(())
}

/// Leaves out arguments that were not given, as a tool takes them.
fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// Asks for a secret at a terminal, without showing it, or reads the first line of stdin.
fn secret(question: &str) -> anyhow::Result<SecretString> {
    let text = if std::io::stdin().is_terminal() {
        // stdout carries the result only.
        let _ = write!(std::io::stderr(), "{question}");
        rpassword::read_password().context("the terminal cannot be read")?
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("stdin cannot be read")?;
        line
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("nothing was entered; hint: type it, or pass it on stdin");
    }
    Ok(SecretString::from(text))
}
