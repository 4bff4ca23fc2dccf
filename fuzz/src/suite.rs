//! Suites, with what `--set` changes: each line `#--set KEY=VALUE` of the text is one.

use std::path::Path;

use bertillon_measure::suite::Suite;

/// Most points of all grids together.
const MOST_POINTS: usize = 10_000;

/// Reads the text; whether it is a suite.
///
/// # Panics
/// When a mistake stands outside the text, a name could lead out of the results folder, or grids are beyond bounds.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let set = text.lines().filter_map(|line| line.strip_prefix("#--set "));
    let overrides: Vec<String> = set.map(str::to_owned).collect();
    match Suite::parse(Path::new("suites/suite.toml"), text, &overrides) {
        Ok(suite) => {
            check(&suite);
            true
        }
        Err(error) => {
            assert!(!error.diagnostics.is_empty(), "refused without a reason");
            for mistake in &error.diagnostics {
                assert!(error.text.get(mistake.at.clone()).is_some(), "{mistake:?}");
            }
            error.partial.iter().for_each(|suite| check(suite));
            false
        }
    }
}

fn check(suite: &Suite) {
    let name = Path::new(&suite.name);
    assert_eq!(name.components().count(), 1, "{name:?}");
    assert!(!suite.name.starts_with('.'), "{name:?}");
    let own = suite.fingerprints.iter().filter_map(|fingerprint| fingerprint.rehearsals.as_ref());
    let all = [&suite.variants, &suite.evaluation.rehearsals].into_iter().chain(own);
    let points: usize = all.flatten().map(|variants| variants.points().len()).sum();
    assert!(points <= MOST_POINTS, "{points} points");
}
