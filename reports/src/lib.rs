//! Reports of a finished run, as pure functions of its `results.json`.
//!
//! [`terminal()`] and [`markdown()`] show the same tables: over all and per budget, as the paper's Tables II and III, and
//! per kind of variant, as its Table I; [`comparison`] shows two runs side by side. Nothing here runs or recomputes anything.

pub mod comparison;
mod document;
mod json;
mod markdown;
mod published;
mod read;
mod table;
mod tasks;
mod terminal;
mod text;

#[cfg(test)]
mod fixture;

pub use json::json;
pub use markdown::markdown;
pub use read::{FILE_NAME, ReportError, read};
pub use terminal::{Colour, terminal};
pub use text::plain;
