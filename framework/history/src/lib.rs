//! Detection rates of many runs: kept in one SQLite file, shown over commits and dates.
//!
//! [`Store`] keeps them, safely with several writers; [`series()`] arranges them by fingerprint; [`sparkline()`], [`page()`]
//! and [`csv()`] show them. Nothing here decides whether a rate has changed: that is `bertillon compare`.

mod error;
mod export;
mod page;
mod run;
mod series;
mod sparkline;
mod store;

pub use error::HistoryError;
pub use export::csv;
pub use page::page;
pub use run::Run;
pub use series::{Point, Series, Wanted, series};
pub use sparkline::sparkline;
pub use store::{Added, Entry, Store};
