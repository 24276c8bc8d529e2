//! Feeds the files of a model folder to the program, as `tests/fuzz/src` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::feed("model_files", bytes));
