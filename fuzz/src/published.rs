//! Published rates.

use bertillon_measure::Published;

/// Longest refusal, in bytes: more would repeat the file.
const LONGEST: usize = 400;

/// Reads the text; whether it is a file of published rates.
///
/// # Panics
/// When a refusal repeats much of the file.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Published::parse(text) {
        Ok(published) => {
            published.concerns(&["FBI"], &[100]);
            published.beside(&[]);
            true
        }
        Err(problem) => {
            assert!(problem.len() <= LONGEST, "{problem}");
            false
        }
    }
}
