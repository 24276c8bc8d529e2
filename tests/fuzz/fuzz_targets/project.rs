//! Feeds the rows and errors of a Supabase project to the program, as `tests/fuzz/src` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::feed("project", bytes));
