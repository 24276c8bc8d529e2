//! Puts together what a team is served with over HTTP; what is missing is a start-up error.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};

use super::App;
use crate::auth::Project;
use crate::auth::verifier::Verifier;
use crate::config::Mode;
use crate::config::http::AllowedUsers;
use crate::domain::limit::OnBreach;
use crate::http::{Address, Offer, Stores};
use crate::providers::http;
use crate::store::tally::Tally;

/// Bytes of the shortest secret that signs tokens (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

impl App {
    /// Gives what a team is served with.
    ///
    /// A simulation is served too, on loopback alone: users are those whose tokens `SUPABASE_JWT_SECRET` signed, and each
    /// has a file of his own. There is no mode without tokens.
    pub fn offer(&self, address: &Address) -> anyhow::Result<Offer> {
        let Some(allowed) = self.config.http.allowed.clone() else {
            bail!(
                "HTTP_ALLOWED_USERS is not set, and whoever is served spends on this server's keys; hint: list ids of users or their e-mail addresses, or set it to `*` for every user of the project"
            );
        };
        let secret = self.config.http.jwt_secret.as_ref();
        if secret.is_some_and(|secret| secret.expose_secret().len() < SHORTEST_SECRET) {
            bail!("SUPABASE_JWT_SECRET is too short; accepted: {SHORTEST_SECRET} bytes or more");
        }
        let (verifier, stores, authorization_server) = match (&self.team, &self.config.supabase) {
            _ if self.config.mode == Mode::Simulate => {
                let (verifier, stores) = self.simulated_team(address, secret)?;
                (verifier, stores, None)
            }
            (Some(store), Some(supabase)) => {
                self.check_limits(&allowed)?;
                if supabase.access_token.is_some() {
                    tracing::warn!(
                        "SUPABASE_ACCESS_TOKEN is not used: each request carries its user's token"
                    );
                }
                let project = Project::new(supabase.url.clone(), supabase.key.clone())?;
                let server = project.endpoint(&["auth", "v1"]).to_string();
                let client = http::client().context("the HTTP client cannot be made")?;
                let verifier = Verifier::of_project(client, project, secret);
                let tally = Tally::new(self.config.data_dir.join("tally.sqlite3"));
                (verifier, Stores::Project(Arc::clone(store), tally), Some(server))
            }
            _ => bail!(
                "serve --http knows its users by a Supabase project, and there is none; hint: set SUPABASE_URL and SUPABASE_ANON_KEY"
            ),
        };
        let template = self.server()?;
        Ok(Offer { verifier, allowed, template, stores, authorization_server })
    }

    fn simulated_team(
        &self,
        address: &Address,
        secret: Option<&SecretString>,
    ) -> anyhow::Result<(Verifier, Stores)> {
        if address.proxy.is_some() || !address.bind.ip().is_loopback() {
            bail!(
                "a simulation is served on this machine alone; hint: listen on 127.0.0.1, without --behind-tls-proxy"
            );
        }
        let Some(secret) = secret else {
            bail!(
                "SUPABASE_JWT_SECRET is not set, and tokens for a simulation are signed with it; hint: set it to {SHORTEST_SECRET} bytes or more"
            );
        };
        let folder = self.config.data_dir.join("simulated-users");
        Ok((Verifier::of_secret(secret), Stores::Folder(folder)))
    }

    /// Everybody's spend has to end somewhere where everybody may come.
    fn check_limits(&self, allowed: &AllowedUsers) -> anyhow::Result<()> {
        let is_cap = |limit: &crate::domain::limit::Limit| {
            limit.scope.tag.is_none() && limit.on_breach != OnBreach::Warn
        };
        if self.pipeline.budgets.given().iter().any(is_cap) {
            return Ok(());
        }
        if *allowed == AllowedUsers::Everyone {
            bail!(
                "HTTP_ALLOWED_USERS is `*`, and nothing limits what each user may spend; hint: set DAILY_BUDGET_USD or MONTHLY_BUDGET_USD"
            );
        }
        tracing::warn!(
            "nothing limits what each user may spend; hint: set DAILY_BUDGET_USD or MONTHLY_BUDGET_USD"
        );
        Ok(())
    }
}
