//! `migrate`: bring the database of the team's project to the schema of this program.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{Exit, Form, print, print_json, secret};
use crate::config::{Config, Mode};
use crate::store::supabase::migrations::{DatabaseUrl, MigrateMode, Migrated, migrate};

#[derive(Debug, Args)]
pub(super) struct MigrateArguments {
    /// Only list the files that would be applied
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: Config, arguments: &MigrateArguments, form: Form) -> anyhow::Result<Exit> {
    if config.mode == Mode::Simulate {
        bail!("a simulation has no project; hint: leave --simulate out");
    }
    let url = match config.supabase_db_url {
        Some(url) => url,
        None => {
            secret("PostgreSQL URL of the project (not shown): ").context("SUPABASE_DB_URL is not set")?
        }
    };
    let mode = if arguments.dry_run { MigrateMode::List } else { MigrateMode::Apply };
    let migrated = migrate(&DatabaseUrl::parse(&url)?, mode).await?;
    match form {
        Form::Json => {
            let Migrated { from, to, applied, pending } = &migrated;
            let mut result = json!({ "from": from, "to": to, "applied": applied });
            if mode == MigrateMode::List
                && let Some(result) = result.as_object_mut()
            {
                result.insert("pending".to_owned(), json!(pending));
            }
            print_json(&result)?;
        }
        Form::Text => print(&text(&migrated)),
    }
    Ok(Exit::Success)
}

fn text(migrated: &Migrated) -> String {
    let Migrated { from, to, applied, pending } = migrated;
    let files =
        |verb: &str, files: &[&str]| files.iter().map(|file| format!("{verb} {file}\n")).collect::<String>();
    let end = match (applied.is_empty(), pending.is_empty()) {
        (true, true) if from == to => format!("nothing to do: the project has schema {to}"),
        (true, true) => format!("nothing left to do: somebody else brought the project to schema {to}"),
        (_, false) => format!("nothing is changed: the project has schema {to}"),
        (false, true) => format!("the project has schema {to}, from {from}"),
    };
    files("applied", applied) + &files("would apply", pending) + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_what_was_done_and_where_the_project_is_now() {
        let check = |from: i64, to: i64, applied: &[&'static str], pending: &[&'static str], words: &str| {
            let migrated = Migrated { from, to, applied: applied.to_vec(), pending: pending.to_vec() };
            assert_eq!(text(&migrated), words);
        };
        check(6, 6, &[], &[], "nothing to do: the project has schema 6");
        check(0, 6, &[], &[], "nothing left to do: somebody else brought the project to schema 6");
        check(4, 6, &["5", "6"], &[], "applied 5\napplied 6\nthe project has schema 6, from 4");
        check(
            4,
            4,
            &[],
            &["5", "6"],
            "would apply 5\nwould apply 6\nnothing is changed: the project has schema 4",
        );
    }
}
