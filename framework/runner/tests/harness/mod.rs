//! Runs a suite given as text, without a command line.

#![allow(dead_code, reason = "no test uses all of it")]

use std::{path::Path, time::Duration};

use bertillon::{results::Results, suite::Suite};
use bertillon_datasets as _;
use bertillon_methods as _;
use bertillon_runner::{Ahead, CellCost, Interrupt, Options, Progress, RunError, run as run_plan};
use bertillon_selectors as _;
use bertillon_variants as _;

pub(crate) struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &Ahead) {}
    fn working_on(&self, _: &str) {}
    fn cell_ends(&self, _: &CellCost, _: Duration) {}
    fn end(&self) {}
    fn warn(&self, _: &str) {}
}

/// Results and cache below `folder`, two threads.
pub(crate) fn options(folder: &Path) -> Options {
    Options {
        out: folder.join("results"),
        cache: folder.join("cache"),
        device: tch::Device::Cpu,
        threads: 2,
        cell_timeout: None,
        retry_failures: true,
        skip_bad_images: false,
        command: Vec::new(),
        interrupt: Interrupt::default(),
    }
}

/// A suite of these networks of the zoo, a pool of 200 images, and whatever follows.
pub(crate) fn suite(name: &str, networks: &[&str], rest: &str) -> String {
    format!(
        r#"
        name = "{name}"
        [data]
        source = "fashion-mnist"
        pool = 200
        [models]
        source = "zoo"
        names = {networks:?}
        {rest}
        "#
    )
}

/// Runs the suite `text`.
pub(crate) fn run(text: &str, options: &Options) -> Result<Results, RunError> {
    tch::set_num_threads(1);
    let suite = Suite::parse(Path::new("suite.toml"), text, &[])?;
    Ok(run_plan(&suite, options, &Quiet)?.results)
}
