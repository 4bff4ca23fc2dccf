//! Manifests of TorchScript files.

use bertillon::{Configure, Error};
use bertillon_datasets::{TorchScript, TorchScriptParameters};

use crate::scratch::with_file;

/// Reads a manifest of these bytes, whose networks are not there; whether it is one.
///
/// # Panics
/// When it names a file outside its folder.
pub fn run(bytes: &[u8]) -> bool {
    with_file("models.toml", bytes, |path| {
        let parameters =
            TorchScriptParameters { manifest: path.to_owned(), ..TorchScriptParameters::default() };
        match TorchScript::configure(parameters) {
            Ok(_) => true,
            // It got as far as to look for the first network.
            Err(Error::File { path: file, .. }) if file != path => {
                let folder = path.parent().expect("a file lies in a folder");
                let below = file.strip_prefix(folder).expect("below the manifest's folder");
                assert!(below.components().all(|part| part.as_os_str() != ".."), "{below:?}");
                true
            }
            Err(_) => false,
        }
    })
}
