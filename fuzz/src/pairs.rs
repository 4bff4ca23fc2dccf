//! `pairs.parquet`.

use bertillon_reports::pairs::{Group, parse};

/// Reads the bytes; whether they are pairs.
///
/// # Panics
/// When columns have different lengths.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(groups) = parse(bytes.to_vec()) else { return false };
    groups.iter().for_each(check);
    true
}

fn check(group: &Group) {
    let rows = group.distance.len();
    let words = [&group.owner, &group.suspect, &group.family, &group.kind];
    assert!(words.iter().all(|words| words.len() == rows));
    assert!([&group.detail, &group.parameter].iter().all(|words| words.len() == rows));
    let flags = [&group.stranger, &group.rehearsed, &group.positive];
    assert!(flags.iter().all(|flags| flags.len() == rows));
    assert_eq!(group.draw.len(), rows);
    for row in 0..rows {
        group.owner.get(row);
    }
}
