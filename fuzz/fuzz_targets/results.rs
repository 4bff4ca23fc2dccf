//! Any bytes, as `bertillon_fuzz::results` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::results::run(bytes);
});
