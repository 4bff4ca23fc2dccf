//! Arrays of labels or scores, `.npy`.

use std::cell::RefCell;

use bertillon_measure::npy::{Decoder, to_bytes};

/// Classes of the imagined model.
const CLASSES: usize = 1000;

thread_local! {
    /// One for all files, as a loader has it: nothing of one may be seen in the next.
    static DECODER: RefCell<Decoder> = RefCell::default();
}

/// Reads the bytes; whether they are labels.
///
/// # Panics
/// When labels are no classes, or are other ones once they were written and read.
pub fn run(bytes: &[u8]) -> bool {
    DECODER.with_borrow_mut(|decoder| check(decoder, bytes))
}

fn check(decoder: &mut Decoder, bytes: &[u8]) -> bool {
    let Ok(array) = decoder.open(bytes, bytes.len() as u64) else { return false };
    let Ok(content) = array.header().content() else { return false };
    let ranks = content.ranks().min(5);
    let length = content.images() * ranks;
    assert!(length <= bytes.len(), "{length} labels of {} bytes", bytes.len());
    let mut labels = vec![0; length];
    if array.labels(ranks, CLASSES, &mut labels).is_err() {
        return false;
    }
    assert!(labels.iter().all(|&label| usize::from(label) < CLASSES));
    let written = to_bytes(&labels, ranks);
    let mut again = vec![0; length];
    let array = decoder.open(&written[..], written.len() as u64).expect("what was written is read");
    array.labels(ranks, CLASSES, &mut again).expect("what was written is read");
    assert_eq!(labels, again);
    true
}
