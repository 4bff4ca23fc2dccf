//! Any bytes, as `bertillon_fuzz::pairs` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::pairs::run(bytes);
});
