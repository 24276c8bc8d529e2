//! The binary: parse, configure, run, leave.

use std::io::Write as _;

use ai_cost_optimizer::cli::{Arguments, Exit};
use clap::Parser as _;

fn main() -> ! {
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(run());
            // A read of stdin cannot be cancelled, and dropping the runtime would wait for it.
            runtime.shutdown_background();
            exit
        }
        Err(error) => complain(&anyhow::Error::new(error)),
    };
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
