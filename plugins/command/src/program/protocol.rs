//! What is said to a program and what it answers: one line of JSON each, UTF-8, ended by a line feed.
//!
//! Every [`Request`] stands for itself: programs keep nothing that they need between two calls, so that several of them
//! share the work and one that ended is started anew. Arrays are files: `.npy`, C order, little-endian. Paths are
//! absolute; what a program writes goes where the request says, and the files of a request may be gone after its reply.
//! Standard input ends when there is nothing left to ask.

use std::path::PathBuf;

use bertillon::Group;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version of the protocol; a change of meaning raises it, an addition doesn't.
pub const VERSION: u32 = 1;

/// What a program is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Version of the protocol, [`VERSION`].
    pub protocol: u32,
    /// Number of the call, repeated in the reply.
    pub id: u64,
    /// Parameters as the suite gives them.
    pub parameters: Map<String, Value>,
    /// What to do.
    #[serde(flatten)]
    pub call: Call,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// Says what it is with these parameters; answered by a [`Description`] of this role.
    Describe {
        /// What the suite takes it for.
        role: Role,
    },
    /// Transforms images before they reach the stolen network; answered by [`Transformed`].
    Transform {
        /// u8 `[N, C, H, W]`.
        images: PathBuf,
        /// Where the images go: as many, of the same shape and type. An image must not depend on the others.
        output: PathBuf,
        /// The same for every call of one variant.
        seed: u64,
    },
    /// Derives a model; answered by [`Derived`].
    Derive {
        /// The stolen model: a TorchScript module, f32 `[N, C, H, W]` in `[0, 1]` to logits f32 `[N, K]`.
        model: PathBuf,
        /// The thief's own images, u8 `[N, C, H, W]`.
        images: PathBuf,
        /// Their labels, u16 `[N]`.
        labels: PathBuf,
        /// Where the derived module goes; it takes and answers the same.
        output: PathBuf,
        /// Seed of what is drawn at random.
        seed: u64,
    },
    /// Chooses benign queries; answered by [`Selected`].
    Select {
        /// What the owner knows.
        owner: OwnerFiles,
        /// How many.
        budget: usize,
        /// Seed of what is drawn at random.
        seed: u64,
    },
    /// Makes a fingerprint; answered by [`Enrolled`].
    Enroll {
        /// What the owner knows.
        owner: OwnerFiles,
        /// Most queries, or exactly as many for a method that crafts.
        budget: usize,
        /// What the selector chose, for a method with one.
        selected: Option<Vec<u32>>,
        /// Where crafted images go, u8 `[budget, C, H, W]`.
        output: PathBuf,
        /// Seed of what is drawn at random.
        seed: u64,
    },
    /// Judges suspects; answered by [`Judged`].
    Distances {
        /// The owner's answers to the L queries, u16 `[L, ranks]`.
        reference: PathBuf,
        /// True labels of the queries, u16 `[L]`, where they are known.
        truth: Option<PathBuf>,
        /// Indices of the queries in the pool; crafted ones follow them.
        queries: Vec<u32>,
        /// What [`Enrolled::state`] said.
        state: Vec<f64>,
        /// Answers of the M suspects, u16 `[M, L, ranks]`.
        answers: PathBuf,
    },
    /// Answers images, as the suspect of `bertillon verify`; answered by [`Answered`].
    Answer {
        /// u8 `[N, C, H, W]`.
        images: PathBuf,
        /// Number of classes, K.
        classes: usize,
        /// Labels that are wanted for an image, the best first; more do no harm.
        ranks: usize,
        /// Where the answers go, as `.npy`: labels, integers `[N]` or `[N, ranks]`, or scores, floats `[N, K]`.
        output: PathBuf,
    },
}

/// What a program is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A variant generator.
    Variant,
    /// An input selector.
    Selector,
    /// A fingerprinting method.
    Method,
}

/// What an owner knows, as files in one folder that stays as it is while she enrols.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerFiles {
    /// Name of her vanilla.
    pub name: String,
    /// Number of classes, K.
    pub classes: usize,
    /// The folder, with `truth.npy` (true labels, u16 `[N]`), `answers.npy` (hers, u16 `[N, ranks]`) and, where they are
    /// known, `images.npy` (the pool, u8 `[N, C, H, W]`), `peers.npy` (u16 `[peers, N, ranks]`), `rehearsals.npy` (u16
    /// `[rehearsals, N, ranks]`) and `model.pt` (TorchScript, f32 `[N, C, H, W]` in `[0, 1]` to logits).
    pub folder: PathBuf,
    /// Names of the peers.
    pub peers: Vec<String>,
    /// Variations of the rehearsals: `prune/conv/0.2`.
    pub rehearsals: Vec<String>,
}

/// What a program answers: the number of the call, and one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Reply")]
pub struct Reply<T> {
    /// Number of the call.
    pub id: u64,
    /// The answer.
    pub ok: Option<T>,
    /// Why there is none, in a line.
    pub error: Option<String>,
}

/// What a program is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Description {
    /// A variant generator.
    Variant(VariantDescription),
    /// An input selector.
    Selector(SelectorDescription),
    /// A fingerprinting method.
    Method(MethodDescription),
}

/// A variant generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantDescription {
    /// Kind of variant, in kebab-case: `sharpen`.
    pub kind: String,
    /// Form of the kind that reports keep apart.
    #[serde(default)]
    pub detail: Option<String>,
    /// Strength, as text: `0.5`.
    #[serde(default)]
    pub parameter: Option<String>,
    /// `input`, `weights`, `training` or `output`.
    #[schemars(with = "String")]
    pub group: Group,
    /// What it is given.
    pub acts_on: ActsOn,
    /// What it does, in words, for the report.
    #[serde(default)]
    pub summary: String,
    /// What its results depend on beside its own file: versions of an interpreter and of libraries.
    #[serde(default)]
    pub version: String,
}

/// What a variant generator is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActsOn {
    /// Images on their way to the network: [`Call::Transform`].
    Images,
    /// The network: [`Call::Derive`].
    Model,
}

/// An input selector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelectorDescription {
    /// What the owner must know: `model`, `labels`, `peers`, `rehearsals`.
    #[serde(default)]
    pub knowledge: Vec<Known>,
    /// As [`VariantDescription::version`].
    #[serde(default)]
    pub version: String,
}

/// A fingerprinting method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MethodDescription {
    /// Labels that an answer must reveal, the best first, 1 or more.
    #[serde(default = "one")]
    pub ranks: usize,
    /// What the owner must know: `model`, `labels`, `peers`, `rehearsals`.
    #[serde(default)]
    pub knowledge: Vec<Known>,
    /// Whether an input selector chooses its queries.
    #[serde(default)]
    pub selector: bool,
    /// Whether it crafts queries, once an owner.
    #[serde(default)]
    pub crafts: bool,
    /// As [`VariantDescription::version`].
    #[serde(default)]
    pub version: String,
}

fn one() -> usize {
    1
}

/// What an owner may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Her model in white box.
    Model,
    /// True labels of the pool.
    Labels,
    /// Answers of other vanillas.
    Peers,
    /// Answers of variants of her own.
    Rehearsals,
}

/// Images were transformed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transformed {}

/// A model was derived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Derived {
    /// What was done, in words, for the report.
    #[serde(default)]
    pub summary: String,
    /// Whether there was nothing to do: such a model is no variant, and need not be written.
    #[serde(default)]
    pub unchanged: bool,
}

/// Queries were chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selected {
    /// Different indices into the pool, at most as many as were asked for.
    pub indices: Vec<u32>,
}

/// A fingerprint was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolled {
    /// Images of the pool, by index.
    #[serde(default)]
    pub queries: Vec<u32>,
    /// Whether crafted images were written, which follow them.
    #[serde(default)]
    pub crafted: bool,
    /// Anything else that judging needs.
    #[serde(default)]
    pub state: Vec<f64>,
    /// Figures for the report, by name with unit.
    #[serde(default)]
    pub notes: Map<String, Value>,
}

/// Suspects were judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// One a suspect, small means the owner's; null where it can't tell.
    pub distances: Vec<Option<f64>>,
}

/// Images were answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {}

/// Request and replies, as one JSON schema describes them.
#[derive(Debug, JsonSchema)]
pub struct Protocol {
    /// What a program is asked.
    pub request: Request,
    /// Reply to `describe`.
    pub describe: Reply<Description>,
    /// Reply to `transform`.
    pub transform: Reply<Transformed>,
    /// Reply to `derive`.
    pub derive: Reply<Derived>,
    /// Reply to `select`.
    pub select: Reply<Selected>,
    /// Reply to `enroll`.
    pub enroll: Reply<Enrolled>,
    /// Reply to `distances`.
    pub distances: Reply<Judged>,
    /// Reply to `answer`.
    pub answer: Reply<Answered>,
}
