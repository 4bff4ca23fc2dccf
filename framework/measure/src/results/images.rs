//! What was sent to the models of a run.

use serde::{Deserialize, Serialize};

/// The size of all queries, benign and crafted, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagesSent {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Services that resize what they are sent; a vanilla that is missing here takes the images as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceSettings>,
}

/// What the service of a vanilla, and of all its variants, does to an image before its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// The vanilla.
    pub vanilla: String,
    /// Channels, height and width that its network takes.
    pub input: [usize; 3],
    /// In words: `shorter side to 256, bilinear, centre 224x224`.
    pub preprocessing: String,
    /// Whether an image of the network's size is left alone; else it is resized like any other.
    pub keeps_native: bool,
}
