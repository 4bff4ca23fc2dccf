//! Reports of a finished run, as pure functions of its `results.json`.
//!
//! [`terminal()`] and [`markdown()`] show the same tables: over all and per budget, as the paper's Tables II and III, and
//! per kind of variant, as its Table I; [`html()`] shows them with figures, which [`svg`] draws alone. Nothing here runs or recomputes anything.

mod document;
mod figures;
mod html;
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

pub use figures::{FigureError, FigureName, svg};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use read::{FILE_NAME, PROVENANCE_FILE_NAME, ReportError, read, read_provenance};
pub use terminal::{Colour, terminal};
pub use text::plain;
