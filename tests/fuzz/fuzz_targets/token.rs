//! Feeds tokens, their keys, and refusals of the sign-in server to the program, as `tests/fuzz/src` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::feed("token", bytes));
