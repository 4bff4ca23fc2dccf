//! Arrays of IDX, compressed or not.

use std::path::Path;

use bertillon_datasets::{Idx, idx::MAX_BYTES};

/// Reads the bytes; whether they are an array.
///
/// # Panics
/// When there are other elements than the header promises, or labels that are no classes.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(array) = Idx::from_bytes(bytes, Path::new("array.idx")) else { return false };
    let elements: usize = array.shape.iter().product();
    assert_eq!(array.data.len(), elements * array.kind.size());
    assert!(array.data.len() <= MAX_BYTES);
    if let Ok(images) = array.clone().into_images() {
        assert_eq!(images.as_bytes().len(), elements);
    }
    if let Ok(labels) = array.into_labels(10) {
        assert!(labels.iter().all(|&label| label < 10));
    }
    true
}
