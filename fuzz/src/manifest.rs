//! Manifests of recorded answers, TOML and CSV.

use bertillon_measure::manifest::{Manifest, is_below};

/// Reads the text as TOML and as CSV; whether it is either.
///
/// # Panics
/// When a file lies outside the folder, or a manifest is another one once it was written and read.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let read = [Manifest::from_toml(text), Manifest::from_csv(text)];
    let mut understood = false;
    for manifest in read.into_iter().flatten() {
        for row in &manifest.rows {
            assert!(is_below(&row.file), "{}", row.file);
            assert!(!row.file.starts_with('/') && row.file.split('/').all(|part| part != ".."));
        }
        let written = manifest.to_toml();
        let again = Manifest::from_toml(&written).expect("what was written is read");
        assert_eq!(manifest, again, "{written}");
        understood = true;
    }
    understood
}
