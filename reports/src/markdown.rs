//! Reports as GitHub's Markdown.

use bertillon_measure::results::Results;

use crate::{
    document::Document,
    table::{Cell, Detail, TIED_MARK, Table},
    text::escaped,
};

/// The report as Markdown; whatever comes from the suite shows as it is written there.
pub fn markdown(results: &Results) -> String {
    let document = Document::new(results);
    let mut out = format!("# {}\n\n", escaped(&document.title));
    for (name, value) in &document.facts {
        out.push_str(&format!("- {name}: {}\n", escaped(value)));
    }
    for table in &document.tables {
        out.push_str(&format!("\n## {}\n\n", escaped(&table.title)));
        push_table(table, &mut out);
        for remark in &table.remarks {
            out.push_str(&format!("\n{}\n", escaped(remark)));
        }
    }
    let legend = &document.legend;
    out.push_str(&format!("\nHow to read: **bold** {}", escaped(&legend.best)));
    if let Some(tied) = &legend.tied {
        out.push_str(&format!(" {TIED_MARK} {}", escaped(tied)));
    }
    out.push_str(&format!(" {}\n{}\n", escaped(&legend.rates), escaped(&legend.rest)));
    for list in &document.lists {
        out.push_str(&format!("\n## {}\n\n", list.title));
        for (name, said) in &list.items {
            let item = if name.is_empty() { said.clone() } else { format!("{name}: {said}") };
            out.push_str(&format!("- {}\n", escaped(&item)));
        }
    }
    out
}

fn push_table(table: &Table, out: &mut String) {
    let words =
        |column: usize| table.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Text(_))));
    let head = table.head.iter().map(String::as_str);
    push_rows(head, words, table.rows.iter().map(|row| row.iter().map(cell).collect()), out);
}

/// A table of rows that are Markdown already; columns that are not of words stand to the right.
pub(crate) fn push_rows<'a>(
    head: impl Iterator<Item = &'a str>,
    is_words: impl Fn(usize) -> bool,
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut String,
) {
    let mut line = |cells: &[String]| out.push_str(&format!("| {} |\n", cells.join(" | ")));
    let head: Vec<String> = head.map(escaped).collect();
    line(&head);
    let rule = |column| if is_words(column) { "---" } else { "---:" }.to_owned();
    line(&(0..head.len()).map(rule).collect::<Vec<_>>());
    rows.for_each(|row| line(&row));
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Figure(text) => text.clone(),
        Cell::Rate(rate) => {
            let figures = rate.figures(Detail::Full);
            let figures = if rate.best { format!("**{figures}**") } else { figures };
            let tied = if rate.tied { TIED_MARK } else { "" };
            format!("{figures}{tied}{}", rate.marks)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_report_reads_as_its_snapshot() {
        insta::assert_snapshot!("markdown", markdown(&fixture::results()));
    }

    #[test]
    fn markup_of_a_suite_neither_breaks_tables_nor_becomes_html_or_links() {
        for results in [fixture::results(), fixture::hostile()] {
            let text = markdown(&results);
            for markup in ["<script>", "<b>", "<img", "[l](", "\u{1b}", "\u{202e}"] {
                assert!(!text.contains(markup), "{markup}: {text}");
            }
            let unescaped = |line: &str| line.replace("\\|", "").matches('|').count();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2).filter(|p| p[0].starts_with('|') && p[1].starts_with('|'))
            {
                assert_eq!(unescaped(pair[0]), unescaped(pair[1]), "{}\n{}", pair[0], pair[1]);
            }
        }
    }
}
