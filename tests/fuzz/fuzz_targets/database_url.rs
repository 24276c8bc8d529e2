//! Feeds a database's address to the program, as `tests/fuzz/src` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::feed("database_url", bytes));
