//! Any bytes, as `bertillon_fuzz::messages` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::messages::run(bytes);
});
