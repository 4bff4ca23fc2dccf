//! Any bytes, as `bertillon_fuzz::history` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::history::run(bytes);
});
