//! Any bytes, as `bertillon_fuzz::enrolled` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::enrolled::run(bytes);
});
