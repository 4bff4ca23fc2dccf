//! Every target over its corpus and mutations of it, without the fuzzer's compiler.
//!
//! `BERTILLON_MUTATIONS=50` tries fifty times as many; `make test-fuzz` does, and shows what was tried.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it tried"
)]

use std::{env, fs, path::Path};

use bertillon_fuzz as fuzz;
use bertillon_measure::Stream;

/// Bytes that mean something to one of the readers.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\x93\"'()[]{}<>|=,.:;#\\/\n\r -09LTFiufOUS";

/// Words that do.
const WORDS: &[&[u8]] = &[
    b"99999999999999999999",
    b"4294967295",
    b"1e308",
    b"-1",
    b"0.0",
    b"null",
    b"nan",
    b"[[[[[[[[",
    b"{\"a\":",
    b"../",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x1b[2J",
    "\u{202e}".as_bytes(),
];

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
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

/// Up to four edits: a byte changed, removed or put in; the end cut; a word; a piece of another file.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    let mut below = |n: usize| below(stream, n.max(1));
    for _ in 0..=below(4) {
        let at = below(bytes.len());
        match below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            1 if !bytes.is_empty() => bytes[at] = TELLING[below(TELLING.len())],
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => bytes.insert(at, TELLING[below(TELLING.len())]),
            4 => bytes.truncate(at),
            5 => {
                // In place of as many bytes, so that what follows keeps its place.
                let word = WORDS[below(WORDS.len())];
                let end = (at + below(2) * word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
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

/// Runs a target over its corpus, and so many mutations of each file.
fn holds(target: &str, mutations: u64, run: fn(&[u8]) -> bool) {
    let times = env::var("BERTILLON_MUTATIONS").ok();
    let times: u64 = times.map_or(1, |times| times.parse().unwrap());
    let files = corpus(target);
    assert!(files.len() >= 4, "the corpus of {target} is gone");
    let (mut tried, mut understood) = (0_u64, 0_u64);
    let mut attempt = |bytes: &[u8]| {
        tried += 1;
        understood += u64::from(run(bytes));
    };
    for (i, (name, bytes)) in files.iter().enumerate() {
        attempt(bytes);
        let mut stream = Stream::named(1, ["mutations", target, name]);
        for _ in 0..mutations * times {
            let mut mutated = bytes.clone();
            let other = (i + 1 + below(&mut stream, files.len())) % files.len();
            mutate(&mut mutated, &files[other].1, &mut stream);
            attempt(&mutated);
        }
    }
    println!("{target}: {} files, {tried} inputs tried, {understood} understood", files.len());
    assert!(0 < understood && understood < tried, "{target}: {understood} of {tried} understood");
}

#[test]
fn any_bytes_are_labels_or_an_error() {
    holds("npy", 3_000, fuzz::npy::run);
}

#[test]
fn any_text_is_a_manifest_or_an_error() {
    holds("manifest", 3_000, fuzz::manifest::run);
}

#[test]
fn any_text_is_a_suite_or_a_list_of_mistakes_in_it() {
    holds("suite", 1_000, fuzz::suite::run);
}

#[test]
fn any_text_is_published_rates_or_an_error_that_does_not_repeat_it() {
    holds("published", 1_000, fuzz::published::run);
}

#[test]
fn any_text_is_results_that_can_be_shown_or_an_error() {
    holds("results", 60, fuzz::results::run);
}

#[test]
fn any_bytes_are_pairs_or_an_error() {
    holds("pairs", 300, fuzz::pairs::run);
}

#[test]
fn any_bytes_are_a_history_or_an_error() {
    holds("history", 40, fuzz::history::run);
}

#[test]
fn any_bytes_are_the_head_of_a_library_or_an_error() {
    holds("library", 3_000, fuzz::library::run);
}

#[cfg(feature = "libtorch")]
#[test]
fn any_bytes_are_an_array_of_idx_or_an_error() {
    holds("idx", 1_000, fuzz::idx::run);
}

#[cfg(feature = "libtorch")]
#[test]
fn any_bytes_are_an_image_or_an_error() {
    holds("images", 60, fuzz::images::run);
}

#[cfg(feature = "libtorch")]
#[test]
fn any_text_is_a_manifest_of_networks_or_an_error() {
    holds("torchscript", 200, fuzz::torchscript::run);
}

#[cfg(feature = "libtorch")]
#[test]
fn any_bytes_are_an_enrolled_fingerprint_or_an_error() {
    holds("enrolled", 100, fuzz::enrolled::run);
}

#[cfg(feature = "libtorch")]
#[test]
fn any_line_is_an_answer_of_a_program_or_an_error() {
    holds("messages", 2_000, fuzz::messages::run);
}
