//! `bertillon zoo`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bertillon::{Configure, ModelCollection};
use bertillon_datasets::{self as datasets, Card, Zoo, ZooParameters};
use bertillon_reports::plain;
use clap::{Args, Subcommand};
use tch::Device;

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
    /// Writes networks as TorchScript files, which Python opens with torch.jit.load: f32 [N, 1, 28, 28] in [0, 1] to logits
    Export {
        /// Folder for NAME.pt
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
        Action::Export { out, names } => {
            export(out, names).map_err(failed)?;
            return Ok(Outcome::Done);
        }
    };
    output::print(&table(&card))?;
    Ok(Outcome::Done)
}

fn export(out: &Path, names: &[String]) -> bertillon::Result<()> {
    let zoo = Zoo::configure(ZooParameters { names: names.to_vec(), path: None })?;
    fs::create_dir_all(out).map_err(|error| bertillon::Error::file(out, error))?;
    for (index, vanilla) in zoo.vanillas().iter().enumerate() {
        let path = out.join(format!("{}.pt", vanilla.name));
        bertillon_torchscript::export(&*zoo.load(index, Device::Cpu)?, &path, Device::Cpu)?;
        output::say(&plain(&path.display().to_string()));
    }
    Ok(())
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
