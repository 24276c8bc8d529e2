//! What every store does: one suite over the trait `Store`, on the local store and on a project's.

mod clocks;
mod crowd;
mod local;
mod migrations;
mod outbox;
mod samples;
pub(crate) mod stack;
mod tally;
#[expect(clippy::duplicate_mod, reason = "the same suite runs on both stores")]
mod team;
pub(crate) mod tokens;

use std::sync::Arc;

use ai_cost_optimizer::store::Store;

/// A store, a second handle to the same data as another process has it, and what keeps both alive.
struct Stores {
    here: Arc<dyn Store>,
    there: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}
