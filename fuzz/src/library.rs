//! The head of a library of plugins, which is read before the dynamic linker sees the file.

#[path = "../../framework/runner/src/library/elf.rs"]
mod elf;

/// Reads the bytes; whether the dynamic linker would be given them.
///
/// # Panics
/// When a refusal has no reason.
pub fn run(bytes: &[u8]) -> bool {
    elf::check(bytes).map_err(|reason| assert!(!reason.is_empty())).is_ok()
}
