//! The fuzz targets over their corpus and mutations of it, without the fuzzer's compiler.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::{fs, path::Path};

use bertillon_measure::Stream;

#[path = "../../../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/src/npy.rs"]
mod npy;

/// Mutations of each file.
const MUTATIONS: u32 = 3_000;

/// Bytes that mean something to one of the readers.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\x93\"'()[]{}<>|=,.:;#\\/\n\r -09LTFiufOUS";

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Up to four edits: a byte changed, removed or put in; the end cut; a piece of another file.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    let mut below = |n: usize| below(stream, n.max(1));
    for _ in 0..=below(4) {
        let at = below(bytes.len());
        match below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            1 if !bytes.is_empty() => bytes[at] = TELLING[below(TELLING.len())],
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => bytes.insert(at, TELLING[below(TELLING.len())]),
            4 => bytes.truncate(at),
            _ => {
                let from = below(other.len());
                let piece = &other[from..(from + below(40)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

fn below(stream: &mut Stream, bound: usize) -> usize {
    stream.below(u32::try_from(bound).unwrap()) as usize
}

fn holds(target: &str, run: fn(&[u8])) {
    let files = corpus(target);
    assert!(files.len() >= 8, "the corpus of {target} is gone");
    for (i, (name, bytes)) in files.iter().enumerate() {
        run(bytes);
        let mut stream = Stream::named(1, ["mutations", target, name]);
        for _ in 0..MUTATIONS {
            let mut mutated = bytes.clone();
            let other = (i + 1 + below(&mut stream, files.len())) % files.len();
            mutate(&mut mutated, &files[other].1, &mut stream);
            run(&mutated);
        }
    }
}

#[test]
fn any_bytes_are_labels_or_an_error() {
    holds("npy", npy::run);
}

#[test]
fn any_text_is_a_manifest_or_an_error() {
    holds("manifest", manifest::run);
}
