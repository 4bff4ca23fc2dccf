//! Any bytes, as `bertillon_fuzz::idx` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::idx::run(bytes);
});
