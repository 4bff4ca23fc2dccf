//! Histories: files of SQLite.

use std::time::Duration;

use bertillon_history::{Entry, Store, Wanted, csv, page, series, sparkline};

use crate::scratch::with_file;

/// Opens a file of these bytes; whether it is a history that can be read.
///
/// # Panics
/// When showing it does.
pub fn run(bytes: &[u8]) -> bool {
    with_file("history.sqlite", bytes, |path| {
        let Ok(store) = Store::open(path, Duration::ZERO) else { return false };
        let Ok(entries) = store.entries() else { return false };
        show(&entries);
        true
    })
}

fn show(entries: &[Entry]) {
    let all = series(entries, &Wanted::default());
    page(&all);
    csv(entries).expect("writing to memory");
    for one in &all {
        let rates: Vec<f64> = one.points.iter().map(|point| point.rate).collect();
        sparkline(&rates, 20);
    }
}
