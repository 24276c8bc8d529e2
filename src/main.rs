//! The binary: parse, configure, run, leave.

use std::io::Write as _;

use ai_cost_optimizer::cli::{Arguments, Exit};
use clap::Parser as _;

fn main() -> ! {
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => complain(&anyhow::Error::new(error)),
    };
    // A read of stdin cannot be cancelled: leaving by hand does not wait for it.
    std::process::exit(exit as i32)
}

async fn run() -> Exit {
    match Arguments::parse().run().await {
        Ok(exit) => exit,
        Err(error) => complain(&error),
    }
}

/// Says on stderr what went wrong, with every cause.
fn complain(error: &anyhow::Error) -> Exit {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    Exit::Refused
}
