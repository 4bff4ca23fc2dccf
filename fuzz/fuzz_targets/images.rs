//! Any bytes, as `bertillon_fuzz::images` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::images::run(bytes);
});
