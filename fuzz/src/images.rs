//! Images of a folder: JPEG, PNG and WebP.

use bertillon::{Configure, ImageRequest, ImageSource, Resize};
use bertillon_datasets::{ImageFolder, ImageFolderParameters};

use crate::scratch::with_file;

/// Pixels of the square that every image becomes.
const SIDE: usize = 16;

/// Reads a folder with one image of these bytes; whether it is one.
///
/// # Panics
/// When it has another size than asked for.
pub fn run(bytes: &[u8]) -> bool {
    with_file("class/image.png", bytes, |path| {
        let folder = path.ancestors().nth(2).expect("the image lies two folders down");
        let parameters = ImageFolderParameters {
            path: folder.to_owned(),
            size: Resize::Shorter(SIDE),
            max_pixels: 1 << 20,
            ..ImageFolderParameters::default()
        };
        let source = ImageFolder::configure(parameters).expect("possible parameters");
        let request = ImageRequest { pool: Some(1), scratch: None, skip_bad_images: false };
        let Ok(split) = source.load(&request) else { return false };
        let images = split.pool.images().expect("a source of images has some");
        assert_eq!(images.as_bytes().len(), 3 * SIDE * SIDE);
        true
    })
}
