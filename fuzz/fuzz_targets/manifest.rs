//! Any bytes, as `bertillon_fuzz::manifest` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::manifest::run(bytes);
});
