//! A suspect behind a program: it is sent images and answers them, no more.

use std::{ffi::OsString, fs, path::PathBuf, time::Duration};

use bertillon::{Answers, Error, Images, Result, npy};

use crate::program::{
    Plugin,
    protocol::{Answered, Call},
    write_images,
};

/// A program that the user named as a suspect. It is started once, and ended when this is dropped.
#[derive(Debug)]
pub struct Suspect(Plugin);

impl Suspect {
    /// The program of these words with its arguments: it runs in the user's folder, in her environment, without limits but
    /// the time that it may take for a call. A file that ends in `.py` is run by `python3`.
    ///
    /// # Errors
    /// When no word is given, or no scratch folder can be made.
    pub fn new(words: &[OsString], time_limit: Duration) -> Result<Self> {
        let words: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
        let Some(program) = words.first() else {
            return Err(Error::Refused("name the program that answers".to_owned()));
        };
        let is_python = program.extension().is_some_and(|extension| extension == "py");
        let interpreter = is_python.then(|| PathBuf::from("python3"));
        let words = interpreter.into_iter().chain(words).collect();
        Ok(Self(Plugin::of_user(words, time_limit)?))
    }

    /// What it answers, the best of `classes` first.
    ///
    /// # Errors
    /// When it fails, takes too long, or its answers are no labels or scores, or of fewer than `ranks` ranks.
    pub fn answer(&self, images: &Images, classes: usize, ranks: usize) -> Result<Answers> {
        let [input, output] = self.0.program.paths(["queries.npy", "answers.npy"]);
        write_images(&input, images)?;
        let call = Call::Answer { images: input.clone(), classes, ranks, output: output.clone() };
        let answers = self.0.call(call).and_then(|Answered {}| {
            let refuse =
                |problem: String| Error::Refused(format!("the program's answers: {problem}"));
            if !output.is_file() {
                return Err(refuse("they were not written, though it says so".to_owned()));
            }
            npy::read_answers(&output, ranks, classes).map_err(|error| refuse(error.to_string()))
        });
        // What can't be removed now goes with the folder.
        for file in [input, output] {
            drop(fs::remove_file(file));
        }
        answers
    }
}
