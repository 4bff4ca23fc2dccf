//! Any bytes, as `bertillon_fuzz::npy` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::npy::run(bytes);
});
