//! What the program itself adds to a miss: no pipes, no embedding, a simulated provider that answers at once.
//!
//! Beside each miss, two hand-overs to another thread and back are timed, which is what its two writes need at
//! least: the machine's own floor in the same run.
//!
//! Prints figures for the README; it asserts nothing, because machines differ. `cargo bench --bench pipeline`

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::domain::prompt::{CacheMode, Prompt, RouteRequest};
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::pipeline::Progress;

const MISSES_A_SECOND: u32 = 100;
const MISSES: u32 = 1_500;

/// Times floors and misses in turn, each at the rate; both come back sorted.
async fn floors_and_misses(app: &App) -> [Vec<Duration>; 2] {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / (2 * MISSES_A_SECOND));
    let mut times = [Vec::new(), Vec::new()];
    for place in 0..MISSES {
        ticks.tick().await;
        let started = Instant::now();
        for _ in 0..2 {
            tokio::task::spawn_blocking(|| ()).await.expect("nothing cannot fail");
        }
        times[0].push(started.elapsed());
        ticks.tick().await;
        let prompt = Prompt::new(format!("Explain prompt number {place}")).expect("a prompt");
        let request = RouteRequest { cache: CacheMode::Off, ..RouteRequest::new(prompt) };
        let started = Instant::now();
        app.pipeline.route(request, &Progress::default()).await.expect("the simulated provider answers");
        times[1].push(started.elapsed());
    }
    times.iter_mut().for_each(|times| times.sort());
    times
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = HashMap::from([("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string())]);
    let config = Config::from_environment(Mode::Simulate, environment).expect("a configuration");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let app = App::new(config, Reach::LocalOnly).expect("the program");
        for _ in 0..3 {
            for (what, times) in ["floor: two hand-overs", "miss in process, no cache"]
                .iter()
                .zip(floors_and_misses(&app).await)
            {
                let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
                println!(
                    "{what:<26} {MISSES_A_SECOND}/s: p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms",
                    at(0.5),
                    at(0.99),
                    at(1.0)
                );
            }
        }
    });
}
