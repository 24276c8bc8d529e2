//! Starts a stack, says in one line of JSON how to reach it, and does what its input says until that ends.
//!
//! `supabase-stack [--hs256] [--token-seconds N] [--unmigrated] [--users N] [--shared]`, with `TEST_POSTGRES_DIR` naming
//! the PostgreSQL. With `--shared`, where nobody needs more than users, `TEST_SUPABASE_URL` names another project.

use std::io;

use serde_json::json;
use supabase_stack::control;
use supabase_stack::keys::Signing;
use supabase_stack::remote;
use supabase_stack::stack::{Options, Stack};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut options = Options::default();
    let mut is_shared = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--hs256" => options.signing = Signing::Hs256,
            "--shared" => is_shared = true,
            "--unmigrated" => options.is_migrated = false,
            "--token-seconds" => {
                let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                options.token_seconds =
                    seconds.ok_or_else(|| io::Error::other("--token-seconds needs a number"))?;
            }
            "--users" => {
                let users = arguments.next().and_then(|users| users.parse().ok());
                options.users = users.ok_or_else(|| io::Error::other("--users needs a number"))?;
            }
            other => return Err(io::Error::other(format!("{other} is not known"))),
        }
    }
    let mut output = tokio::io::stdout();
    if let (true, Some(project)) = (is_shared, remote::project(options.users).await?) {
        output.write_all(format!("{project}\n").as_bytes()).await?;
        output.flush().await?;
        tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    let distribution =
        supabase_stack::distribution().ok_or_else(|| io::Error::other("TEST_POSTGRES_DIR is not set"))?;
    let stack = Stack::start(&distribution, options).await?;
    let users: Vec<_> = stack
        .users
        .iter()
        .map(|user| json!({ "id": user.id, "email": user.email, "password": user.password }))
        .collect();
    let line = json!({
        "url": stack.url, "anon_key": stack.key, "jwt_secret": stack.auth.keys.secret(),
        "db_url": stack.project.url("project_owner"), "superuser_db_url": stack.project.url("postgres"), "users": users,
    });
    output.write_all(format!("{line}\n").as_bytes()).await?;
    output.flush().await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = control::obey(&stack, &line).await;
        output.write_all(format!("{answer}\n").as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}
