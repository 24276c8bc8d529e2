//! `login` and `logout`: the session with the team's project.

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{Exit, Form, print, print_json, secret};
use crate::app;
use crate::auth::{Auth, Kept};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct LoginArguments {
    /// E-mail address; the password is asked for, or read from stdin
    #[arg(long, required_unless_present = "refresh_token")]
    email: Option<String>,
    /// Read a refresh token from stdin instead; it is used up
    #[arg(long, conflicts_with = "email")]
    refresh_token: bool,
}

pub(super) async fn login(config: &Config, arguments: LoginArguments, form: Form) -> anyhow::Result<Exit> {
    let auth = auth(config)?;
    if config.supabase.as_ref().is_some_and(|supabase| supabase.access_token.is_some()) {
        tracing::warn!("SUPABASE_ACCESS_TOKEN is set and wins over the session that login keeps");
    }
    let (session, kept) = match arguments.email {
        Some(email) => auth.sign_in(&email, &secret("Password: ")?).await?,
        None => auth.sign_in_with(&secret("Refresh token: ")?).await?,
    };
    let place = match &kept {
        Kept::Keyring => "the keyring of this system".to_owned(),
        Kept::File(path) => format!("{} (readable by you only; there is no keyring here)", path.display()),
    };
    match form {
        Form::Json => print_json(&json!({
            "user_id": session.user.to_string(),
            "email": session.email,
            "kept_in": place,
        }))?,
        Form::Text => print(&format!(
            "signed in as {}; the session is kept in {place}",
            session.email.as_deref().unwrap_or("a user without an e-mail address")
        )),
    }
    Ok(Exit::Success)
}

pub(super) async fn logout(config: &Config, form: Form) -> anyhow::Result<Exit> {
    let problem = auth(config)?.sign_out().await?.map(|error| error.to_string());
    match form {
        Form::Json => print_json(&json!({ "signed_out": true, "not_revoked": problem }))?,
        Form::Text => print(&match problem {
            None => "signed out; the session is revoked and forgotten".to_owned(),
            Some(problem) => format!("signed out here, but the session could not be revoked: {problem}"),
        }),
    }
    Ok(Exit::Success)
}

fn auth(config: &Config) -> anyhow::Result<Auth> {
    match app::auth(config)? {
        Some(auth) => Ok(auth),
        None => bail!("there is no project to sign in to; hint: set SUPABASE_URL and SUPABASE_ANON_KEY"),
    }
}
