//! Any bytes, as `bertillon_fuzz::torchscript` reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bertillon_fuzz::torchscript::run(bytes);
});
