//! `provenance.json`: what a run was made of. It differs between two runs with equal results.

use std::{ops::Range, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::suite::SuiteSource;

/// Versions, digests, device and command of a run. What an older file lacks is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of bertillon.
    pub bertillon: String,
    /// Digest of its source.
    pub source: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Words of the command line, the program's name first; empty for runs that a program started by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The suite as written, with every `--set` applied.
    pub suite: String,
    /// Its file, absolute.
    pub suite_path: PathBuf,
    /// Where `--set` gave values in it, in bytes; paths among them are relative to `working_folder`.
    pub given_outside: Vec<Range<usize>>,
    /// The working directory, absolute.
    pub working_folder: PathBuf,
    /// Whether images that can't be decoded were left out.
    pub skip_bad_images: bool,
    /// Digest of the images, or of the recorded truth.
    pub data: String,
    /// Name and digest of every vanilla, or of every recorded model.
    pub models: Vec<[String; 2]>,
    /// Name, parameters and digest of the source of every variant generator and method at work.
    pub plugins: Vec<[String; 3]>,
    /// File, crate and digest of every library loaded.
    pub libraries: Vec<[String; 3]>,
    /// Where models ran, `Cpu`.
    pub device: String,
    /// What answering on a GPU came to; none where the processor answered, or the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<OnGpu>,
    /// Workers.
    pub threads: usize,
    /// How long it took.
    pub seconds: f64,
    /// When it ended, seconds since 1970.
    pub finished_unix_s: u64,
    /// What came of every cell.
    pub cells: Vec<CellDigest>,
}

impl Provenance {
    /// The suite, to be read again.
    pub fn suite_source(&self) -> SuiteSource {
        SuiteSource {
            text: self.suite.clone(),
            path: self.suite_path.clone(),
            given_outside: self.given_outside.clone(),
            outside: self.working_folder.clone(),
        }
    }
}

/// Digests of what came of a cell: of crafted queries, or of all that a model answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CellDigest {
    /// `vanillas`, `crafting` or `models`.
    pub phase: String,
    /// `prune/conv/0.2 of lenet-a`; unique within its phase.
    pub name: String,
    /// BLAKE3 of all of it.
    pub content: String,
    /// BLAKE3 of the best labels alone.
    pub labels: String,
}

/// Answers that a run computed on a GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OnGpu {
    /// How many.
    pub answers: u64,
    /// How many of them are near ties: the two best logits differ by no more than a thousandth of the spread of all, so
    /// another device may answer otherwise.
    pub near_ties: u64,
    /// Batches that did not fit into its memory and were halved.
    pub halved: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_older_and_of_newer_versions_are_read() {
        let text = r#"{"bertillon": "0.1.0", "models": [["lenet-a", "00ff"]], "later": {"a": 1}}"#;
        let read: Provenance = serde_json::from_str(text).unwrap();
        assert_eq!((read.bertillon.as_str(), read.command.len()), ("0.1.0", 0));
        assert_eq!(read.models, [["lenet-a".to_owned(), "00ff".to_owned()]]);
    }

    #[test]
    fn what_is_written_is_read() {
        let written = Provenance {
            command: ["bertillon", "run", "a b.toml"].map(str::to_owned).into(),
            gpu: Some(OnGpu { answers: 400, near_ties: 1, halved: 0 }),
            seconds: 0.1,
            ..Provenance::default()
        };
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Provenance>(&text).unwrap(), written);
    }
}
