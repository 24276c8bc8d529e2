//! Feeds the answers of whoever speaks the chat format of OpenAI to the program, as `tests/fuzz/src` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::feed("openai_chat", bytes));
