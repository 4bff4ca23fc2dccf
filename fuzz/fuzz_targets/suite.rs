//! Any bytes, as `bertillon_fuzz::suite` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::suite::run(bytes);
});
