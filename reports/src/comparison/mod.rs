//! Two runs side by side, for a terminal and as Markdown.

mod document;
mod markdown;
mod read;
mod terminal;
#[cfg(test)]
mod tests;

pub use markdown::markdown;
pub use read::{baseline_text, read};
pub use terminal::terminal;
