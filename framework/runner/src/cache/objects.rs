//! How objects lie on disk.
//!
//! Answers are `.npy`, fingerprints `.safetensors`, notes `.json`, so that Python opens them. Each carries a digest of
//! its content.

use std::collections::HashMap;

use bertillon::{Answers, Changes, Fingerprint};
use npyz::WriterBuilder;
use safetensors::SafeTensors;
use serde::{Serialize, de::DeserializeOwned};

use crate::tensors::{self, Named, Notes};

/// Bytes after the array of a `.npy` object: a mark and the BLAKE3 of all before it. Readers of `.npy` ignore them.
const MARK: &[u8; 8] = b"\nBLAKE3\n";

/// Name of the metadata of a fingerprint: its digest and its notes.
const SEALED: &str = "blake3 and notes";

/// What the cache holds: it is written as bytes that carry their own digest.
pub(crate) trait Object: Sized {
    /// Of its file.
    const EXTENSION: &str;

    fn encode(&self) -> Vec<u8>;

    /// # Errors
    /// What is wrong with the bytes.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

impl Object for Answers {
    const EXTENSION: &str = "npy";

    fn encode(&self) -> Vec<u8> {
        encode_answers(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        decode_answers(bytes)
    }
}

impl Object for Fingerprint {
    const EXTENSION: &str = "safetensors";

    fn encode(&self) -> Vec<u8> {
        encode_fingerprint(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        decode_fingerprint(bytes)
    }
}

/// Anything small that is neither answers nor a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note<T>(pub(crate) T);

/// Around the text of a note, with its digest between the first two.
const NOTE: [&str; 3] = ["{\"digest\":\"", "\",\"content\":", "}"];

impl<T: Serialize + DeserializeOwned> Object for Note<T> {
    const EXTENSION: &str = "json";

    fn encode(&self) -> Vec<u8> {
        let text = serde_json::to_string(&self.0).expect("plain data serialises");
        let digest = blake3::hash(text.as_bytes()).to_hex();
        let [before, between, after] = NOTE;
        [before, digest.as_str(), between, &text, after].concat().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text_of_note(bytes)?).map(Self).map_err(|e| e.to_string())
    }
}

/// The text of a note that has its digest.
fn text_of_note(bytes: &[u8]) -> Result<&[u8], String> {
    let [before, between, after] = NOTE;
    let parts = || {
        let (digest, rest) = bytes.strip_prefix(before.as_bytes())?.split_at_checked(64)?;
        Some((digest, rest.strip_prefix(between.as_bytes())?.strip_suffix(after.as_bytes())?))
    };
    let (digest, text) = parts().ok_or("it is no note")?;
    match blake3::hash(text).to_hex().as_bytes() == digest {
        true => Ok(text),
        false => Err("its digest differs".to_owned()),
    }
}

impl Object for Changes {
    const EXTENSION: &str = "json";

    fn encode(&self) -> Vec<u8> {
        Note(self.clone()).encode()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Note::decode(bytes).map(|Note(changes)| changes)
    }
}

/// Whether the bytes of a file of this extension are what was once written; `None` for a file that is no object.
pub(super) fn intact(extension: &str, bytes: &[u8]) -> Option<Result<(), String>> {
    Some(match extension {
        "npy" => decode_answers(bytes).map(drop),
        "safetensors" => decode_fingerprint(bytes).map(drop),
        "json" => text_of_note(bytes).map(drop),
        _ => return None,
    })
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
    // One entry: several would stand in any order, and the same fingerprint in other bytes.
    let metadata = HashMap::from([(SEALED.to_owned(), format!("{} {notes}", digest.to_hex()))]);
    let views = tensors.iter().map(Named::view);
    safetensors::serialize(views, Some(metadata)).expect("writing to memory")
}

fn decode_fingerprint(bytes: &[u8]) -> Result<Fingerprint, String> {
    let text = |e: safetensors::SafeTensorError| e.to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
    let metadata = header.metadata().as_ref().ok_or("it has no notes")?;
    let sealed = metadata.get(SEALED).and_then(|text| text.split_once(' '));
    let (seal, notes) = sealed.ok_or("it has no notes")?;
    let file = SafeTensors::deserialize(bytes).map_err(text)?;
    let tensors = tensors::FINGERPRINT.map(|name| file.tensor(name));
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, _>>().map_err(text)?;
    let digest = digest_of_fingerprint(notes, tensors.iter().map(|tensor| tensor.data()));
    if seal != digest.to_hex().as_str() {
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

    #[test]
    fn objects_come_back_as_they_were() {
        let answers = Answers::new(vec![5, 6, 7, 8, 9, 10], 3).unwrap();
        assert_eq!(Answers::decode(&answers.encode()), Ok(answers));
        assert_eq!(Fingerprint::decode(&bank().encode()), Ok(bank()));
        assert_eq!(bank().encode(), bank().encode());
        let note = Note(vec![("a".to_owned(), 0.1)]);
        assert_eq!(Note::decode(&note.encode()), Ok(note));
    }

    #[test]
    fn any_flipped_bit_or_cut_is_noticed() {
        let note = Note(vec![1, 2, 3]);
        let answers = Answers::top1(vec![1, 2, 3]);
        let whole = [answers.encode(), note.encode(), bank().encode()];
        let decode = |i: usize, bytes: &[u8]| match i {
            0 => Answers::decode(bytes).map(drop),
            1 => Note::<Vec<u8>>::decode(bytes).map(drop),
            _ => Fingerprint::decode(bytes).map(|decoded| assert_eq!(decoded, bank())),
        };
        for (i, object) in whole.iter().enumerate() {
            for position in 0..object.len() {
                let mut damaged = object.clone();
                damaged[position] ^= 4;
                // A change in the padding of a header may go unseen, one in the content never.
                if let Ok(()) = decode(i, &damaged) {
                    assert_eq!(i, 2, "answers and notes are sealed byte by byte");
                }
                assert!(decode(i, &object[..position]).is_err(), "cut at {position}");
            }
        }
    }
}
