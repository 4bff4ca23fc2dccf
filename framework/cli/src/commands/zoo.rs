//! `bertillon zoo`.

use std::path::PathBuf;

use bertillon_datasets::{self as datasets, Card};
use bertillon_reports::plain;
use clap::{Args, Subcommand};

use crate::{
    failure::{Failure, Outcome, chain},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the networks: how they were trained, how good they are
    List,
    /// Trains networks anew, to the same bytes on the same machine
    Train {
        /// Folder with Fashion-MNIST's training split: train-images-idx3-ubyte[.gz] and its labels
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Folder for weights and card
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Which networks [default: all]
        names: Vec<String>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let failed = |error: bertillon::Error| Failure::User(chain(&error));
    let card = match &arguments.action {
        Action::List => datasets::card().map_err(failed)?,
        Action::Train { data, out, names } => {
            let mut progress = |line: &str| output::say(&plain(line));
            datasets::train(data, out, names, &mut progress).map_err(failed)?
        }
    };
    output::print(&table(&card))?;
    Ok(Outcome::Done)
}

fn table(card: &Card) -> String {
    let rows = card.networks.iter().map(|network| {
        [
            network.name.clone(),
            network.architecture.clone(),
            network.parameters.to_string(),
            format!("{:.2} %", 100.0 * network.accuracy),
            network.seed.to_string(),
            network.epochs.to_string(),
            output::duration(network.seconds),
            format!("{:.16}", network.digest),
        ]
    });
    let head = [
        "Name",
        "Architecture",
        "Parameters",
        "Accuracy",
        "Seed",
        "Epochs",
        "Trained in",
        "Digest",
    ];
    output::table(head, rows, 2)
}
