//! Plugins in any language: `plugin = "command"` starts a program that transforms images or models, chooses queries, or
//! enrols and judges.
//!
//! One file each for [`variant`], [`selector`] and [`method`]. What they share lies in `program/`: parameters
//! ([`Params`]), the processes, the files that are exchanged, and the protocol ([`protocol`]), a line of JSON each way
//! for every call. [`Suspect`] is no plugin, but a program that answers images in place of a model. A program that should know these plugins says `use bertillon_command as _;`.

pub mod method;
mod program;
pub mod selector;
mod suspect;
pub mod variant;

pub use program::{Params, protocol};
pub use suspect::Suspect;
