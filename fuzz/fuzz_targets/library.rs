//! Any bytes, as `bertillon_fuzz::library` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::library::run(bytes);
});
