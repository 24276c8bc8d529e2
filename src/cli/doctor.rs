//! `doctor`: is everything there that a request needs, and what will not stay as it is?

mod freshness;
mod online;
mod setup;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use strum::Display;

use super::table::{Align, Table};
use super::{Exit, Form, print, print_json};
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// Also ask each configured provider whether it takes the key; the calls cost nothing
    #[arg(long)]
    online: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum State {
    Ok,
    /// It works, but less well, or not for long.
    Warning,
    /// Something that a request needs is missing.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    /// Takes a sentence as errors word it, with the way out after `; hint: `.
    fn new(name: impl Into<String>, state: State, sentence: &str) -> Self {
        let (detail, hint) = match sentence.split_once("; hint: ") {
            Some((detail, hint)) => (detail, Some(hint.to_owned())),
            None => (sentence, None),
        };
        Self { name: name.into(), state, detail: detail.to_owned(), hint }
    }
}

pub(super) async fn run(config: Config, arguments: &DoctorArguments, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    let now = Timestamp::now();
    let mut checks = vec![setup::configuration(&app.config)];
    checks.extend(setup::providers(&app, now));
    checks.extend(setup::dominated_models(&app, now));
    checks.push(setup::store(&app, now).await);
    checks.extend(setup::outbox(&app).await);
    checks.extend(setup::worse_models(&app).await);
    checks.push(setup::weights(&app.config));
    checks.push(freshness::clock(now, setup::has_later_requests(&app, now).await));
    checks.extend(freshness::prices(&app, now));
    checks.extend(freshness::models(&app, now));
    if arguments.online {
        checks.extend(online::providers(&app, &app.contact_providers().await?));
    }
    let has_failed = checks.iter().any(|check| check.state == State::Failed);
    match form {
        Form::Json => print_json(&checks)?,
        Form::Text => print(&table(&checks)),
    }
    Ok(if has_failed { Exit::Failure } else { Exit::Success })
}

fn table(checks: &[Check]) -> String {
    let mut table = Table::new(&[("state", Align::Left), ("check", Align::Left), ("found", Align::Left)]);
    for check in checks {
        table.add(vec![check.state.to_string(), check.name.clone(), check.detail.clone()]);
        if let Some(hint) = &check.hint {
            table.add(vec![String::new(), String::new(), format!("hint: {hint}")]);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_stands_under_what_was_found() {
        let checks = [
            Check::new("store", State::Ok, "it opens"),
            Check::new("embedding model", State::Warning, "no weights; hint: run `model fetch`"),
        ];
        let expected = "\
state    check            found
ok       store            it opens
warning  embedding model  no weights
                          hint: run `model fetch`
";
        assert_eq!(table(&checks), expected);
    }
}
