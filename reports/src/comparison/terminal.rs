//! A comparison for a terminal.

use bertillon_measure::tracking::Comparison;
use comfy_table::{Attribute, Cell, CellAlignment, Color};

use super::document::{Document, Sheet};
use crate::{
    terminal::{Colour, blank},
    text::plain,
};

/// The comparison for a terminal of `width` columns, as wide as need be when none is given.
pub fn terminal(found: &Comparison, width: Option<u16>, colour: Colour) -> String {
    let document = Document::new(found);
    let mut out = format!("{}\n", bold(&document.title, colour));
    for line in &document.verdict {
        out.push_str(&format!("  {}\n", plain(line)));
    }
    for sheet in &document.tables {
        out.push_str(&format!(
            "\n{}\n{}\n",
            bold(&sheet.title, colour),
            drawn(sheet, width, colour)
        ));
    }
    out.push_str("\nHow to read:\n");
    document.legend.iter().for_each(|line| out.push_str(&format!("  {}\n", plain(line))));
    for (title, items) in &document.lists {
        out.push_str(&format!("\n{}\n", bold(title, colour)));
        items.iter().for_each(|item| out.push_str(&format!("- {}\n", plain(item))));
    }
    out
}

fn bold(text: &str, colour: Colour) -> String {
    match colour {
        Colour::Always => format!("\u{1b}[1m{}\u{1b}[0m", plain(text)),
        Colour::Never => plain(text),
    }
}

fn drawn(sheet: &Sheet, width: Option<u16>, colour: Colour) -> String {
    let mut table = blank(width, colour);
    table.set_header(sheet.head.iter().map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    for (row, &alarm) in sheet.rows.iter().zip(&sheet.alarms) {
        table.add_row(row.iter().map(|text| match alarm {
            true => Cell::new(plain(text)).add_attribute(Attribute::Bold).fg(Color::Red),
            false => Cell::new(plain(text)),
        }));
    }
    for column in table.column_iter_mut().skip(sheet.words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
