//! Objects on disk, addressed by their recipes.
//!
//! Answers are `.npy`, fingerprints `.safetensors`, notes `.json`, so that Python opens them. Each carries a digest of
//! its content: an object that does not match is computed anew, with a warning. Writes go to a temporary file
//! beside their place, which is then renamed; readers never see half an object.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bertillon::{Answers, Changes, Fingerprint};
use npyz::WriterBuilder;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    RunError,
    key::Key,
    tensors::{self, Named, Notes},
};

/// Bytes after the array of a `.npy` object: a mark and the BLAKE3 of all before it. Readers of `.npy` ignore them.
const MARK: &[u8; 8] = b"\nBLAKE3\n";

#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A damaged object; it is computed anew.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
}

/// What the cache says about a key.
pub(crate) type Found<T> = Result<Option<T>, Damaged>;

impl Cache {
    /// Opens a cache folder, making it where needed.
    pub(crate) fn open(root: &Path) -> Result<Self, RunError> {
        let failed = |error: io::Error| RunError::File {
            path: root.to_owned(),
            problem: format!(
                "this folder can't hold the cache ({error}); choose another with --cache"
            ),
        };
        fs::create_dir_all(root).map_err(failed)?;
        tempfile::tempfile_in(root).map_err(failed)?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn has_answers(&self, key: Key) -> bool {
        self.path(key, "npy").is_file()
    }

    pub(crate) fn has_fingerprint(&self, key: Key) -> bool {
        self.path(key, "safetensors").is_file()
    }

    pub(crate) fn has_changes(&self, key: Key) -> bool {
        self.path(key, "json").is_file()
    }

    pub(crate) fn answers(&self, key: Key) -> Found<Answers> {
        self.read(key, "npy", decode_answers)
    }

    pub(crate) fn put_answers(&self, key: Key, answers: &Answers) -> Result<(), RunError> {
        self.write(key, "npy", &encode_answers(answers))
    }

    pub(crate) fn fingerprint(&self, key: Key) -> Found<Fingerprint> {
        self.read(key, "safetensors", decode_fingerprint)
    }

    pub(crate) fn put_fingerprint(&self, key: Key, bank: &Fingerprint) -> Result<(), RunError> {
        self.write(key, "safetensors", &encode_fingerprint(bank))
    }

    pub(crate) fn changes(&self, key: Key) -> Found<Changes> {
        self.note(key)
    }

    pub(crate) fn put_changes(&self, key: Key, changes: &Changes) -> Result<(), RunError> {
        self.put_note(key, changes)
    }

    /// Anything small that is neither answers nor a fingerprint.
    pub(crate) fn note<T: Serialize + DeserializeOwned>(&self, key: Key) -> Found<T> {
        self.read(key, "json", |bytes| {
            let stored: Stored<T> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            match stored.digest == digest_of_note(&stored.content) {
                true => Ok(stored.content),
                false => Err("its digest differs".to_owned()),
            }
        })
    }

    pub(crate) fn put_note<T: Serialize>(&self, key: Key, note: &T) -> Result<(), RunError> {
        let stored = Stored { digest: digest_of_note(note), content: note };
        self.write(key, "json", &serde_json::to_vec(&stored).expect("plain data serialises"))
    }

    fn path(&self, key: Key, extension: &str) -> PathBuf {
        let name = key.to_hex();
        self.root.join(&name[..2]).join(format!("{name}.{extension}"))
    }

    fn read<T>(
        &self,
        key: Key,
        extension: &str,
        decode: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Found<T> {
        let path = self.path(key, extension);
        match fs::read(&path) {
            Ok(bytes) => match decode(&bytes) {
                Ok(object) => Ok(Some(object)),
                Err(problem) => Err(Damaged { path, problem }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Damaged { path, problem: error.to_string() }),
        }
    }

    fn write(&self, key: Key, extension: &str, bytes: &[u8]) -> Result<(), RunError> {
        write_whole(&self.path(key, extension), bytes)
    }
}

/// Writes a file that is either whole or not there.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let attempt = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new();
        // Results and cache are shared as the user's other files are: her umask decides.
        #[cfg(unix)]
        file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = file.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(|error| RunError::File {
        path: path.to_owned(),
        problem: format!("can't be written ({error}); make room or choose another folder"),
    })
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    digest: String,
    content: T,
}

fn digest_of_note(note: &impl Serialize) -> String {
    let text = serde_json::to_vec(note).expect("plain data serialises");
    blake3::hash(&text).to_hex().to_string()
}

fn encode_answers(answers: &Answers) -> Vec<u8> {
    let shape = [answers.len() as u64, answers.ranks() as u64];
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()
        .expect("writing to memory");
    writer.extend(answers.as_slice().iter().copied()).expect("writing to memory");
    writer.finish().expect("as many labels as the shape says");
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

fn decode_answers(bytes: &[u8]) -> Result<Answers, String> {
    let trailer = MARK.len() + 32;
    let (content, seal) =
        bytes.split_at_checked(bytes.len().saturating_sub(trailer)).ok_or("it is cut short")?;
    if !seal.starts_with(MARK) || seal[MARK.len()..] != *blake3::hash(content).as_bytes() {
        return Err("its digest differs".to_owned());
    }
    let array = npyz::NpyFile::new(content).map_err(|e| e.to_string())?;
    let [_, ranks] = array.shape()[..] else { return Err("it is no table".to_owned()) };
    let labels: Vec<u16> = array.into_vec().map_err(|e| e.to_string())?;
    Answers::new(labels, usize::try_from(ranks).map_err(|e| e.to_string())?)
        .map_err(|e| e.to_string())
}

fn encode_fingerprint(bank: &Fingerprint) -> Vec<u8> {
    let tensors = tensors::of(bank);
    let notes = serde_json::to_string(&Notes::of(bank)).expect("plain data serialises");
    let digest = digest_of_fingerprint(&notes, tensors.iter().map(|tensor| &*tensor.data));
    let metadata = HashMap::from([
        ("notes".to_owned(), notes),
        ("blake3".to_owned(), digest.to_hex().to_string()),
    ]);
    let views = tensors.iter().map(Named::view);
    safetensors::serialize(views, Some(metadata)).expect("writing to memory")
}

fn decode_fingerprint(bytes: &[u8]) -> Result<Fingerprint, String> {
    let text = |e: safetensors::SafeTensorError| e.to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
    let metadata = header.metadata().as_ref().ok_or("it has no notes")?;
    let file = SafeTensors::deserialize(bytes).map_err(text)?;
    let notes = metadata.get("notes").ok_or("it has no notes")?;
    let tensors = tensors::FINGERPRINT.map(|name| file.tensor(name));
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, _>>().map_err(text)?;
    let digest = digest_of_fingerprint(notes, tensors.iter().map(|tensor| tensor.data()));
    if metadata.get("blake3").map(String::as_str) != Some(digest.to_hex().as_str()) {
        return Err("its digest differs".to_owned());
    }
    let notes = serde_json::from_str(notes).map_err(|e| e.to_string())?;
    tensors::fingerprint(&file, notes, |_| None)
}

fn digest_of_fingerprint<'a>(notes: &str, tensors: impl Iterator<Item = &'a [u8]>) -> blake3::Hash {
    let mut digest = blake3::Hasher::new();
    digest.update(notes.as_bytes());
    tensors.for_each(|data| {
        digest.update(data);
    });
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use bertillon::{ImageShape, Images, Queries};

    use super::*;

    fn bank() -> Fingerprint {
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        Fingerprint {
            queries: Queries {
                pool: vec![3],
                crafted: Some(Images::new(vec![1, 2, 3, 4], shape).unwrap()),
            },
            reference: Answers::new(vec![1, 2, 3, 4], 2).unwrap(),
            truth: Some(vec![7, 8]),
            state: vec![0.1, f64::INFINITY],
            notes: vec![("converged".into(), 0.99)],
        }
    }

    fn key(name: &str) -> Key {
        Key::recipe("test").text(name).finish()
    }

    #[test]
    fn objects_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let answers = Answers::new(vec![5, 6, 7, 8, 9, 10], 3).unwrap();
        cache.put_answers(key("a"), &answers).unwrap();
        cache.put_fingerprint(key("b"), &bank()).unwrap();
        assert_eq!(cache.answers(key("a")).unwrap(), Some(answers));
        assert_eq!(cache.fingerprint(key("b")).unwrap(), Some(bank()));
        assert_eq!(cache.answers(key("c")).unwrap(), None);
    }

    #[test]
    fn any_flipped_bit_or_cut_is_noticed() {
        let whole = [encode_answers(&Answers::top1(vec![1, 2, 3])), encode_fingerprint(&bank())];
        let decode = |i: usize, bytes: &[u8]| match i {
            0 => decode_answers(bytes).map(|_| ()),
            _ => decode_fingerprint(bytes).map(|decoded| assert_eq!(decoded, bank())),
        };
        for (i, object) in whole.iter().enumerate() {
            for position in 0..object.len() {
                let mut damaged = object.clone();
                damaged[position] ^= 4;
                // A change in the padding of a header may go unseen, one in the content never.
                if let Ok(()) = decode(i, &damaged) {
                    assert_eq!(i, 1, "answers are sealed byte by byte");
                }
                assert!(decode(i, &object[..position]).is_err(), "cut at {position}");
            }
        }
    }
}
