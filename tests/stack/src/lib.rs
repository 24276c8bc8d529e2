//! A Supabase project on this machine, for tests only: PostgreSQL with what a project has before its first
//! migration and our migrations, and REST, Auth and Realtime behind one address.
//!
//! REST is `postrust-server`, which is compatible with PostgREST; where it differs, nothing may depend on it: 42501
//! is always 401 there, and a clock that is off is not forgiven. Auth and Realtime are stubs, shown to be faithful by
//! the official clients (`tests/clients/supabase`).
//!
//! Tests of the program cannot link to this crate; they start its binary, which `tests/run` builds and names in
//! `TEST_SUPABASE_STACK`, and read one line of JSON from it: `url`, `anon_key`, `jwt_secret`, `db_url` (the owner's),
//! `superuser_db_url` and two `users` with passwords. It does what lines of its input say ([`control`]), and ends with
//! its input.
//!
//! It is a workspace of its own, so that nothing here changes how the shipped program is built.

pub mod stack;

pub mod auth;
pub mod control;
pub mod gateway;
pub mod keys;
pub mod realtime;

pub mod postgres;
pub mod project;
pub mod remote;
pub mod session;

use std::path::PathBuf;

/// Gives the folder of the PostgreSQL to use, with `bin/initdb` in it: `TEST_POSTGRES_DIR`, which `tests/run` sets.
pub fn distribution() -> Option<PathBuf> {
    variable("TEST_POSTGRES_DIR").map(PathBuf::from).filter(|folder| folder.join("bin/initdb").is_file())
}

#[expect(clippy::disallowed_methods, reason = "the tests' own variables are no settings of the program")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
