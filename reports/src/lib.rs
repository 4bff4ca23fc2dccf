//! Reports of a finished run, as pure functions of its `results.json`.
//!
//! [`terminal()`], [`markdown()`] and [`latex()`] show the same tables, [`csv()`] every figure as a row: over all and per
//! budget, as the paper's Tables II and III, and per kind of variant, as its Table I. [`html()`] shows them with figures,
//! which [`svg`] draws alone; [`comparison`] shows two runs side by side. Nothing here runs or recomputes anything.

pub mod audit;
mod checks;
pub mod comparison;
mod csv;
mod document;
mod figures;
mod groups;
mod html;
mod json;
mod latex;
mod markdown;
pub mod pairs;
mod published;
mod read;
mod table;
mod tasks;
mod terminal;
mod text;

#[cfg(test)]
mod fixture;

pub use csv::csv;
pub use figures::{FigureError, FigureName, svg};
pub use html::html;
pub use json::json;
pub use latex::latex;
pub use markdown::markdown;
pub use read::{FILE_NAME, PROVENANCE_FILE_NAME, ReportError, parse, read, read_provenance};
pub use terminal::{Colour, terminal};
pub use text::{plain, spreadsheet_text};
