//! Enrolled fingerprints: files of safetensors under a seal.

use std::collections::HashMap;

use bertillon_runner::Enrolled;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::scratch::with_file;

/// Reads the bytes as they are, and with a seal that is right; whether they are a fingerprint.
///
/// # Panics
/// When its parts don't fit together.
pub fn run(bytes: &[u8]) -> bool {
    let sealed = sealed(bytes).is_some_and(|sealed| read(&sealed));
    read(bytes) || sealed
}

fn read(bytes: &[u8]) -> bool {
    with_file("fingerprint.bert", bytes, |path| {
        let Ok(enrolled) = Enrolled::read(path) else { return false };
        assert!(!enrolled.is_empty());
        assert_eq!(enrolled.fingerprint.reference.len(), enrolled.len());
        if let Some(images) = &enrolled.queries {
            assert_eq!(images.len(), enrolled.len());
        }
        true
    })
}

/// The file with the seal that whoever changes it would put there: it is no signature.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let card = header.metadata().as_ref()?.get("bertillon")?;
    let mut tensors = file.tensors();
    tensors.retain(|(name, _)| name != "blake3");
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = blake3::Hasher::new_derive_key("bertillon 2026 enrolled fingerprint");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(card.as_bytes());
    for (name, tensor) in &tensors {
        part(name.as_bytes());
        part(format!("{:?}", tensor.dtype()).as_bytes());
        let sizes = tensor.shape().iter().flat_map(|&size| (size as u64).to_le_bytes());
        part(&sizes.collect::<Vec<u8>>());
        part(tensor.data());
    }
    let seal = hasher.finalize();
    tensors
        .push(("blake3".to_owned(), TensorView::new(Dtype::U8, vec![32], seal.as_bytes()).ok()?));
    let metadata = HashMap::from([("bertillon".to_owned(), card.clone())]);
    safetensors::serialize(tensors, Some(metadata)).ok()
}
