//! What holds for any text that is read as a manifest.

use bertillon_measure::manifest::{Manifest, is_below};

/// Reads the text as TOML and as CSV; panics when something does not hold.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for manifest in [Manifest::from_toml(text), Manifest::from_csv(text)].into_iter().flatten() {
        for row in &manifest.rows {
            assert!(is_below(&row.file), "{}", row.file);
            assert!(!row.file.starts_with('/') && row.file.split('/').all(|part| part != ".."));
        }
        let written = manifest.to_toml();
        let again = Manifest::from_toml(&written).expect("what was written is read");
        assert_eq!(manifest, again, "{written}");
    }
}
