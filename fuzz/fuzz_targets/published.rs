//! Any bytes, as `bertillon_fuzz::published` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::published::run(bytes);
});
