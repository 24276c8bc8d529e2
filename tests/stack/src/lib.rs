//! A Supabase project on this machine, for tests only: PostgreSQL with what a project has before its first
//! migration, and our migrations.
//!
//! It is a workspace of its own, so that nothing here changes how the shipped program is built.

pub mod postgres;
pub mod project;
pub mod session;

use std::path::PathBuf;

/// Gives the folder of the PostgreSQL to use, with `bin/initdb` in it: `TEST_POSTGRES_DIR`, which `tests/run` sets.
#[expect(clippy::disallowed_methods, reason = "the tests' own variable is no setting of the program")]
pub fn distribution() -> Option<PathBuf> {
    std::env::var_os("TEST_POSTGRES_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.join("bin/initdb").is_file())
}
