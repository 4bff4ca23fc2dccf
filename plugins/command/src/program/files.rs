//! Arrays and owners as files.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use bertillon::{
    Answers, Error, ImageShape, Images, Owner, Result,
    npy::{self, Header, Kind},
};
use tempfile::TempDir;

use super::{Program, protocol::OwnerFiles};

/// Writes images, u8 `[N, C, H, W]`.
pub(crate) fn write_images(path: &Path, images: &Images) -> Result<()> {
    let ImageShape { channels, height, width } = images.shape();
    let shape = [images.len(), channels, height, width];
    write(path, &npy::encode("|u1", &shape, images.as_bytes()))
}

/// Writes labels, u16 of this shape.
pub(crate) fn write_labels(path: &Path, shape: &[usize], labels: &[u16]) -> Result<()> {
    write(path, &npy::encode_labels(shape, labels))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::file(path, error))
}

/// Reads what a program wrote: `count` images of this shape, nothing else.
pub(crate) fn read_images(path: &Path, count: usize, shape: ImageShape) -> Result<Images> {
    let refuse = |problem: String| Error::Refused(format!("the program's images: {problem}"));
    let metadata = fs::symlink_metadata(path)
        .map_err(|_| refuse("they were not written, though it says so".to_owned()))?;
    if !metadata.is_file() {
        return Err(refuse("no plain file".to_owned()));
    }
    // Never more than what was asked for, whatever the file claims.
    let samples = count * shape.samples();
    let mut bytes = Vec::new();
    let longest = samples as u64 + (1 << 16);
    File::open(path)
        .and_then(|file| file.take(longest).read_to_end(&mut bytes))
        .map_err(|error| refuse(error.to_string()))?;
    let header = Header::parse(&bytes).map_err(|error| refuse(error.to_string()))?;
    let ImageShape { channels, height, width } = shape;
    let expected = [count, channels, height, width].map(|size| size as u64);
    if header.shape != expected
        || header.element.kind != Kind::Unsigned
        || header.element.bytes != 1
    {
        let bits = 8 * header.element.bytes;
        return Err(refuse(format!(
            "an array of shape {:?} and {bits}-bit elements ({:?}), expected {expected:?}, uint8",
            header.shape, header.element.kind
        )));
    }
    header.fits(metadata.len()).map_err(|error| refuse(error.to_string()))?;
    if header.fortran_order && samples > 0 {
        return Err(refuse("in Fortran order; write numpy.ascontiguousarray of it".to_owned()));
    }
    Images::new(bytes.split_off(header.offset), shape)
}

/// An owner's files, written once for all her draws and budgets.
pub(crate) fn owner(owner: &Owner, program: &Arc<Program>) -> Result<OwnerFiles> {
    struct Written(OwnerFiles, #[expect(dead_code, reason = "removed when she is done")] TempDir);
    let name = format!("command: files for {}", program.digest());
    let written = owner.remembered(&name, || {
        let folder = program.folder("owner-")?;
        Ok(Written(write_owner(owner, folder.path())?, folder))
    })?;
    Ok(written.0.clone())
}

fn write_owner(owner: &Owner, folder: &Path) -> Result<OwnerFiles> {
    let images = owner.pool.len();
    let path = |name: &str| folder.join(name);
    write_labels(&path("truth.npy"), &[images], &owner.pool.truth)?;
    let ranks = owner.answers.ranks();
    write_labels(&path("answers.npy"), &[images, ranks], owner.answers.as_slice())?;
    if let Some(pool) = &owner.pool.images {
        write_images(&path("images.npy"), pool)?;
    }
    let write_all = |name: &str, all: &[&Answers]| match all {
        [] => Ok(()),
        _ => {
            let labels: Vec<u16> = all.iter().flat_map(|a| a.as_slice()).copied().collect();
            write_labels(&path(name), &[all.len(), images, ranks], &labels)
        }
    };
    write_all("peers.npy", &owner.peers.iter().map(|peer| &peer.answers).collect::<Vec<_>>())?;
    let rehearsed: Vec<&Answers> = owner.rehearsals.iter().map(|r| &r.answers).collect();
    write_all("rehearsals.npy", &rehearsed)?;
    if let Some(model) = &owner.model {
        bertillon_torchscript::export(&**model, &path("model.pt"), owner.device)?;
    }
    Ok(OwnerFiles {
        name: owner.name.clone(),
        classes: owner.pool.classes,
        folder: PathBuf::from(folder),
        peers: owner.peers.iter().map(|peer| peer.name.clone()).collect(),
        rehearsals: owner.rehearsals.iter().map(|r| r.variation.to_string()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 2, width: 3 };

    fn read(bytes: &[u8]) -> Result<Images, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.npy");
        fs::write(&path, bytes).unwrap();
        read_images(&path, 2, SHAPE).map_err(|error| error.to_string())
    }

    #[test]
    fn images_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.npy");
        let images = Images::new((0..12).collect::<Vec<u8>>(), SHAPE).unwrap();
        write_images(&path, &images).unwrap();
        assert_eq!(read_images(&path, 2, SHAPE).unwrap(), images);
        let error = read_images(&path, 3, SHAPE).unwrap_err().to_string();
        assert!(error.contains("shape [2, 1, 2, 3]") && error.contains("expected [3, 1, 2, 3]"));
    }

    #[test]
    fn whatever_else_a_program_writes_is_refused_in_words() {
        assert!(read(b"").unwrap_err().contains("no .npy file"));
        let short = npy::encode("|u1", &[2, 1, 2, 3], &[0; 11]);
        assert!(read(&short).unwrap_err().contains("11 are there"));
        let huge = npy::encode("|u1", &[usize::MAX, 1, 2, 3], &[0; 12]);
        assert!(read(&huge).unwrap_err().contains("expected [2, 1, 2, 3]"));
        let floats = npy::encode("<f8", &[2, 1, 2, 3], &[0; 96]);
        assert!(read(&floats).unwrap_err().contains("64-bit elements (Float)"));
        let path = Path::new("/no/such/output.npy");
        let error = read_images(path, 2, SHAPE).unwrap_err().to_string();
        assert_eq!(error, "the program's images: they were not written, though it says so");
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("output.npy");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        let error = read_images(&link, 2, SHAPE).unwrap_err().to_string();
        assert!(error.contains("no plain file"), "{error}");
    }
}
