//! The binary as clients see it: raw lines on stdin and stdout, signals, and what is left on the disk.

pub(crate) mod driver;
pub(crate) mod ledger;
pub(crate) mod provider;

mod bad_input;
mod crowd;
mod messages;
mod offers;
mod panics;
mod progress;
// Windows has none to send to another process.
#[cfg(unix)]
mod signals;
mod subscriptions;
mod traps;
