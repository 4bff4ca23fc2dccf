//! A comparison as GitHub's Markdown: for a job's summary or a comment.

use bertillon_measure::tracking::{Comparison, Outcome};

use super::document::{Document, Sheet};
use crate::{markdown::push_rows, text::escaped};

/// The comparison as Markdown; whatever comes from the suites shows as it is written there.
pub fn markdown(found: &Comparison) -> String {
    let document = Document::new(found);
    let sign = match found.gate.outcome {
        Outcome::Passed => "✅",
        Outcome::Failed => "❌",
        Outcome::Undecided => "❔",
    };
    let mut out = format!("## {}\n\n", escaped(&document.title));
    for (i, line) in document.verdict.iter().enumerate() {
        match i {
            0 => out.push_str(&format!("{sign} **{}**\n\n", escaped(line))),
            _ => out.push_str(&format!("- {}\n", escaped(line))),
        }
    }
    for (i, sheet) in document.tables.iter().enumerate() {
        // The first table is what one came for; the long one opens on demand.
        let folded = i > 0;
        match folded {
            true => out
                .push_str(&format!("\n<details><summary>{}</summary>\n\n", escaped(&sheet.title))),
            false => out.push_str(&format!("\n### {}\n\n", escaped(&sheet.title))),
        }
        push_sheet(sheet, &mut out);
        if folded {
            out.push_str("\n</details>\n");
        }
    }
    for (title, items) in &document.lists {
        out.push_str(&format!("\n### {}\n\n", escaped(title)));
        items.iter().for_each(|item| out.push_str(&format!("- {}\n", escaped(item))));
    }
    out.push('\n');
    document.legend.iter().for_each(|line| out.push_str(&format!("{}\n", escaped(line))));
    out
}

fn push_sheet(sheet: &Sheet, out: &mut String) {
    let cell = |text: &String, alarm: bool| match alarm {
        true => format!("**{}**", escaped(text)),
        false => escaped(text),
    };
    let rows = sheet.rows.iter().zip(&sheet.alarms);
    let rows = rows.map(|(row, &alarm)| row.iter().map(|text| cell(text, alarm)).collect());
    push_rows(sheet.head.iter().copied(), |column| column < sheet.words, rows, out);
}
