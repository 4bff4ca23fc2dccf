//! The `bertillon` binary.
fn main() {}
