//! `install`: the program's entry in the configuration of a client.
//!
//! Keys never come by argument, and none is written unless it is named: then its value is the environment's.

mod difference;
mod entry;
mod file;
mod places;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use directories::BaseDirs;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use self::difference::difference;
use self::entry::{Answers, Change, Entry, edit};
use self::file::ConfigFile;
use self::places::{Folders, Platform, claude_desktop};
use super::{Exit, Form, show};
use crate::config::{self, Config, Mode, VARIABLES, is_secret};

/// Variables that name a file or folder; a client starts the program in a folder of its own.
const PATHS: [&str; 4] =
    ["COST_OPTIMIZER_DATA_DIR", "COST_OPTIMIZER_CONFIG", "EMBEDDING_MODEL_PATH", "HF_HOME"];
/// One of these is enough to have prompts answered.
const KEYS: [&str; 4] = ["ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CEREBRAS_API_KEY", "OPENROUTER_API_KEY"];

#[derive(Debug, Args)]
pub(super) struct InstallArguments {
    #[arg(long, value_enum, default_value_t)]
    client: ClientName,
    /// Write this file in the place of those that the client reads
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The entry's name
    #[arg(long, default_value = "ai-cost-optimizer", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// Set a variable that is no secret
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "remove")]
    env: Vec<String>,
    /// Copy a variable from this environment into the file, readable there; also keys
    #[arg(long, value_name = "NAME", conflicts_with = "remove")]
    copy_env: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Take the entry out
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ClientName {
    #[default]
    ClaudeDesktop,
}

/// What became of one configuration.
#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    changed: bool,
    /// The copy of what was there; absent where nothing was, or nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    diff: String,
}

#[derive(Debug, Serialize)]
struct Installed {
    client: ClientName,
    name: String,
    dry_run: bool,
    files: Vec<Written>,
    /// Variables of which one must be filled in before prompts are answered.
    fill_in: Vec<&'static str>,
}

pub(super) fn run(config: &Config, arguments: &InstallArguments, form: Form) -> anyhow::Result<Exit> {
    let change = if arguments.remove {
        Change::Remove
    } else {
        let variables = variables(&arguments.env, &arguments.copy_env)?;
        let answers = if config.mode == Mode::Simulate { Answers::Simulated } else { Answers::Real };
        Change::Put(Entry { command: own_path()?, answers, variables })
    };
    let mut edits = Vec::new();
    // All are read and edited before any is written.
    for path in paths(arguments.config.as_deref())? {
        let file = ConfigFile::read(path)?;
        let after = edit(file.text()?, &arguments.name, &change)
            .map_err(|refusal| anyhow::anyhow!("{}, {refusal}", file.path.display()))?;
        edits.push((file, after));
    }
    let mut fill_in = Vec::new();
    if let Change::Put(entry) = &change {
        for (file, after) in &edits {
            let config = resulting(after, &arguments.name, config.mode)
                .with_context(|| format!("{}: the program would not start", file.path.display()))?;
            if entry.answers == Answers::Real && config.providers.is_empty() {
                fill_in = KEYS.to_vec();
            }
        }
    }
    let mut files = Vec::new();
    for (file, after) in edits {
        let before = file.text()?;
        let changed = before != after;
        let backup = match changed && !arguments.dry_run {
            true => file.replace(&after, Timestamp::now())?,
            false => None,
        };
        let diff = difference(before, &after, &arguments.name);
        files.push(Written { path: file.path, changed, backup, diff });
    }
    let (client, name, dry_run) = (arguments.client, arguments.name.clone(), arguments.dry_run);
    let installed = Installed { client, name, dry_run, files, fill_in };
    show(form, &installed, &text(&installed))?;
    Ok(Exit::Success)
}

/// Finds the client's configurations, or takes the one that is named.
fn paths(named: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(path) = named {
        return Ok(vec![std::path::absolute(path).with_context(|| format!("--config {}", path.display()))?]);
    }
    let Some(folders) = BaseDirs::new() else {
        bail!("no home folder is known; hint: name the file with --config");
    };
    let (home, config, local) = (folders.home_dir(), folders.config_dir(), folders.data_local_dir());
    let all = claude_desktop(Platform::HERE, Folders { home, config, local });
    let folder = |path: &PathBuf| path.parent().map(|folder| folder.display().to_string());
    let (found, missing): (Vec<PathBuf>, Vec<PathBuf>) =
        all.into_iter().partition(|path| path.parent().is_some_and(Path::is_dir));
    if found.is_empty() {
        let looked: Vec<String> = missing.iter().filter_map(folder).collect();
        bail!(
            "Claude Desktop was not found: there is no folder {}; hint: start it once, or name its file with --config",
            looked.join(" and no folder ")
        );
    }
    Ok(found)
}

/// Gives the path that a client is to start.
fn own_path() -> anyhow::Result<String> {
    let path = std::env::current_exe().context("the path of this program is not known")?;
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{} is not Unicode, which JSON cannot say; hint: move the program", path.display()),
    }
}

/// Gives the variables that are to be written.
fn variables(given: &[String], copied: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for pair in given {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("--env takes NAME=VALUE; hint: --copy-env takes a name alone");
        };
        let name = known(name)?;
        if is_secret(name) {
            bail!(
                "{name} is a secret, and arguments can be read by others; hint: set it in the environment and pass --copy-env {name}"
            );
        }
        if PATHS.contains(&name) && !Path::new(value).is_absolute() {
            bail!("{name}: `{value}` is no absolute path; hint: clients start the program in any folder");
        }
        variables.insert(name.to_owned(), value.to_owned());
    }
    for name in copied {
        let name = known(name)?;
        let Some(value) = config::environment(name) else {
            bail!("{name} is not set, so there is nothing to copy; hint: set it in the environment");
        };
        variables.insert(name.to_owned(), value.expose_secret().to_owned());
    }
    Ok(variables)
}

/// Finds a variable of this program.
fn known(name: &str) -> anyhow::Result<&'static str> {
    match VARIABLES.iter().find(|variable| variable.name == name) {
        Some(variable) => Ok(variable.name),
        None => bail!("`{name}` is no variable of this program; hint: the README lists them"),
    }
}

/// Configures the program as the client will: what it refuses would only show in the client's log.
fn resulting(text: &str, name: &str, mode: Mode) -> anyhow::Result<Config> {
    let value: serde_json::Value = serde_json::from_str(entry::without_mark(text))?;
    let variables = value.get("mcpServers").and_then(|servers| servers.get(name)?.get("env"));
    let variable = |name: &str| Some(variables?.get(name)?.as_str()?.to_owned());
    let environment = VARIABLES.iter().filter_map(|known| Some((known.name, variable(known.name)?)));
    Config::from_environment(mode, environment.collect())
}

fn text(installed: &Installed) -> String {
    let mut text = String::new();
    for file in &installed.files {
        let path = file.path.display();
        let end = match (file.changed, installed.dry_run, &file.backup) {
            (false, ..) => format!("nothing changed in {path}"),
            (true, true, _) => format!("nothing is written; {path} would change so"),
            (true, false, Some(backup)) => {
                format!("{path} is written; what was there is in {}", backup.display())
            }
            (true, false, None) => format!("{path} is written"),
        };
        text.push_str(&format!("{}{end}\n", file.diff));
    }
    let is_written = !installed.dry_run && installed.files.iter().any(|file| file.changed);
    if !installed.fill_in.is_empty() {
        let keys = installed.fill_in.join(", ");
        text.push_str(&format!(
            "fill in one of {keys} in the entry's \"env\", or pass --copy-env with its name\n"
        ));
    }
    if is_written {
        text.push_str("restart Claude Desktop to have it read\n");
    }
    text
}
