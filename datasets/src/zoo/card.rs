//! The zoo's card: what each network is, and how it was trained.

use std::path::Path;

use bertillon::{Error, Result};
use serde::{Deserialize, Serialize};

use super::members::{Member, members};

/// What is known of the networks of a zoo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// One entry a network, in the order of the zoo.
    pub networks: Vec<CardEntry>,
}

/// How one network was trained, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardEntry {
    /// Unique name.
    pub name: String,
    /// Its architecture; siblings have the same.
    pub architecture: String,
    /// Seed of its initial weights, shuffles and flips.
    pub seed: u64,
    /// Number of trainable weights.
    pub parameters: usize,
    /// Share of the test split that it classifies rightly.
    pub accuracy: f64,
    /// BLAKE3 of its file.
    pub digest: String,
    /// Passes over the training split.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// Largest learning rate of the schedule.
    pub learning_rate: f64,
    /// Optimiser, schedule and augmentation.
    pub optimiser: String,
    /// Time that its training took, on one core.
    pub seconds: f64,
    /// What was run.
    pub command: String,
}

impl Card {
    /// Reads a card; `path` is for messages.
    ///
    /// # Errors
    /// When it is no card.
    pub fn from_json(bytes: &[u8], path: &Path) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::file(path, format!("no card of a zoo: {error}; restore it")))
    }

    /// The card as it is written, indented JSON.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Refused(format!("the card can't be written: {error}")))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Adds an entry, in the order of the zoo, in place of one of the same name.
    pub(super) fn put(&mut self, entry: CardEntry) {
        let order: Vec<_> = members().iter().map(Member::name).collect();
        self.networks.retain(|other| other.name != entry.name);
        self.networks.push(entry);
        self.networks.sort_by_key(|entry| order.iter().position(|name| *name == entry.name));
    }
}
