//! Reports for a terminal.

use bertillon_measure::results::Results;
use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Width,
    presets::UTF8_HORIZONTAL_ONLY,
};

use crate::{
    document::Document,
    table::{Cell, Detail, TIED_MARK, Table},
    text::{plain, width as columns_of},
};

/// Narrowest column of words.
const WORDS: usize = 16;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Bold heads, green for the best and its equals.
    Always,
    /// Plain text.
    Never,
}

/// The report for a terminal of `width` columns, as wide as need be when none is given.
///
/// Tables too wide show no intervals, then no standard deviations, then come in parts.
pub fn terminal(results: &Results, width: Option<u16>, colour: Colour) -> String {
    let document = Document::new(results);
    let mut out = String::new();
    push_heading(&document.title, width, colour, &mut out);
    let longest = document.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &document.facts {
        push_wrapped(&format!("  {name:longest$}  {}", plain(value)), longest + 4, width, &mut out);
    }
    for table in &document.tables {
        out.push('\n');
        push_heading(&table.title, width, colour, &mut out);
        push_table(table, width.map(usize::from), colour, &mut out);
        for remark in &table.remarks {
            push_wrapped(&plain(remark), 0, width, &mut out);
        }
    }
    let legend = &document.legend;
    let mut marks = format!("How to read: * {}", legend.best);
    if let Some(tied) = &legend.tied {
        marks.push_str(&format!(" {TIED_MARK} {tied}"));
    }
    out.push('\n');
    push_wrapped(&format!("{marks} {}", legend.rates), 0, width, &mut out);
    push_wrapped(&legend.rest, 0, width, &mut out);
    for list in &document.lists {
        out.push('\n');
        push_heading(list.title, width, colour, &mut out);
        for (name, said) in &list.items {
            let item = if name.is_empty() { said.clone() } else { format!("{name}: {said}") };
            push_wrapped(&format!("- {}", plain(&item)), 2, width, &mut out);
        }
    }
    out
}

pub(crate) fn push_heading(text: &str, width: Option<u16>, colour: Colour, out: &mut String) {
    let mut heading = String::new();
    push_wrapped(&plain(text), 0, width, &mut heading);
    match colour {
        Colour::Always => out.push_str(&format!("\u{1b}[1m{}\u{1b}[0m\n", heading.trim_end())),
        Colour::Never => out.push_str(&heading),
    }
}

fn push_table(table: &Table, width: Option<usize>, colour: Colour, out: &mut String) {
    let (detail, parts) = arrange(table, width);
    for columns in parts {
        out.push_str(&render(table, detail, &columns, width, colour));
        out.push('\n');
    }
}

/// How much of each rate to show, and the columns of each part.
fn arrange(table: &Table, width: Option<usize>) -> (Detail, Vec<Vec<usize>>) {
    let all: Vec<usize> = (0..table.head.len()).collect();
    let Some(width) = width else {
        return (Detail::Full, vec![all]);
    };
    let needed = |columns: &[usize], detail| -> usize {
        columns.iter().map(|&column| narrowest(table, column, detail) + 3).sum::<usize>() + 1
    };
    for detail in [Detail::Full, Detail::Deviation, Detail::Mean] {
        if needed(&all, detail) <= width {
            return (detail, vec![all]);
        }
    }
    let (labels, values) = all.split_at(table.labels);
    let mut parts = vec![labels.to_vec()];
    for &column in values {
        let mut longer = parts[parts.len() - 1].clone();
        longer.push(column);
        match longer.len() > labels.len() + 1 && needed(&longer, Detail::Mean) > width {
            true => parts.push([labels, &[column]].concat()),
            false => *parts.last_mut().expect("one part at least") = longer,
        }
    }
    (Detail::Mean, parts)
}

/// Width below which a column is unreadable: figures stay whole, words wrap.
fn narrowest(table: &Table, column: usize, detail: Detail) -> usize {
    let head = table.head[column].split_whitespace().map(|word| columns_of(&plain(word)));
    let cells = table.rows.iter().map(|row| match &row[column] {
        Cell::Text(text) => columns_of(&plain(text)).min(WORDS),
        other => columns_of(&shown(other, detail)),
    });
    cells.chain(head.map(|length| length.min(WORDS))).max().unwrap_or(0)
}

fn shown(cell: &Cell, detail: Detail) -> String {
    match cell {
        Cell::Text(text) | Cell::Figure(text) => plain(text),
        Cell::Rate(rate) => {
            let mark = match (rate.best, rate.tied) {
                (true, _) => "*",
                (false, true) => TIED_MARK,
                (false, false) => "",
            };
            format!("{}{mark}{}", rate.figures(detail), rate.marks)
        }
    }
}

fn render(
    table: &Table,
    detail: Detail,
    columns: &[usize],
    width: Option<usize>,
    colour: Colour,
) -> String {
    let mut drawn = blank(width.and_then(|width| u16::try_from(width).ok()), colour);
    drawn.set_header(columns.iter().map(|&column| {
        comfy_table::Cell::new(plain(&table.head[column])).add_attribute(Attribute::Bold)
    }));
    for row in &table.rows {
        drawn.add_row(columns.iter().map(|&column| styled(&row[column], detail)));
    }
    for (place, &column) in columns.iter().enumerate() {
        let words = table.rows.iter().any(|row| matches!(row[column], Cell::Text(_)));
        if let Some(drawn) = drawn.column_mut(place).filter(|_| !words) {
            drawn.set_cell_alignment(CellAlignment::Right);
            // The padding of one on either side counts.
            let least = u16::try_from(narrowest(table, column, detail) + 2).unwrap_or(u16::MAX);
            drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    drawn.trim_fmt()
}

/// A table without rows, for a terminal of `width` columns, as wide as need be when none is given.
pub(crate) fn blank(width: Option<u16>, colour: Colour) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    match colour {
        Colour::Always => table.enforce_styling(),
        Colour::Never => table.force_no_tty(),
    };
    match width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

fn styled(cell: &Cell, detail: Detail) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(shown(cell, detail));
    match cell {
        Cell::Rate(rate) if rate.best => drawn.add_attribute(Attribute::Bold).fg(Color::Green),
        Cell::Rate(rate) if rate.tied => drawn.fg(Color::Green),
        _ => drawn,
    }
}

/// Appends text broken at spaces, and within words longer than a line; later lines indented.
pub(crate) fn push_wrapped(text: &str, indent: usize, width: Option<u16>, out: &mut String) {
    let width = width.map_or(usize::MAX, usize::from).max(indent + WORDS);
    let mut used = 0;
    for (i, word) in text.split(' ').enumerate() {
        let length = columns_of(word);
        if i > 0 && used + 1 + length > width && used > indent {
            out.truncate(out.trim_end_matches(' ').len());
            push_break(indent, &mut used, out);
        } else if i > 0 {
            out.push(' ');
            used += 1;
        }
        if used + length <= width {
            out.push_str(word);
            used += length;
            continue;
        }
        for letter in word.chars() {
            let length = columns_of(letter.encode_utf8(&mut [0; 4]));
            if used + length > width {
                push_break(indent, &mut used, out);
            }
            out.push(letter);
            used += length;
        }
    }
    out.push('\n');
}

fn push_break(indent: usize, used: &mut usize, out: &mut String) {
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    *used = indent;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn plain_report(width: Option<u16>) -> String {
        terminal(&fixture::results(), width, Colour::Never)
    }

    #[test]
    fn a_report_of_any_width_reads_as_its_snapshot() {
        insta::assert_snapshot!("terminal", plain_report(None));
    }

    #[test]
    fn a_report_of_eighty_columns_reads_as_its_snapshot() {
        insta::assert_snapshot!("terminal_80", plain_report(Some(80)));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_names() {
        let reports = [fixture::results(), fixture::hostile(), fixture::large(12, 40)];
        for (width, results) in [60, 80, 100, 120, 160, 200]
            .iter()
            .flat_map(|&width| reports.iter().map(move |results| (width, results)))
        {
            for line in terminal(results, Some(width), Colour::Never).lines() {
                assert!(columns_of(line) <= usize::from(width), "{width}: {line}");
            }
        }
    }

    #[test]
    fn columns_stand_below_each_other_whatever_the_names() {
        for width in [None, Some(60), Some(200)] {
            let report = terminal(&fixture::hostile(), width, Colour::Never);
            let rule = |line: &&str| line.starts_with('─') || line.starts_with('═');
            let lines: Vec<&str> = report.lines().collect();
            let mut tables = 0;
            for part in lines.split(|line| line.starts_with('─')) {
                let Some(middle) = part.iter().position(rule) else { continue };
                tables += 1;
                let drawn = columns_of(part[middle]);
                // Figures of the last column end one column before the rule.
                let figures = part[middle + 1..].iter().filter(|line| {
                    line.ends_with(|c: char| c.is_ascii_digit() || "]*≈†‡–".contains(c))
                });
                for line in figures.filter(|line| columns_of(line) + 16 > drawn) {
                    assert_eq!(columns_of(line) + 1, drawn, "{width:?}: {line}");
                }
            }
            assert!(tables >= 4, "{report}");
        }
    }

    #[test]
    fn names_bring_no_control_characters_and_keep_their_direction_to_themselves() {
        let report = terminal(&fixture::hostile(), Some(200), Colour::Never);
        let acts = |c: char| c.is_control() && c != '\n' || ('\u{202A}'..='\u{202E}').contains(&c);
        assert!(!report.contains(acts));
        assert!(report.contains("\\u{202e}txt.exe") && report.contains("\\u{1b}[2J"));
        assert!(report.contains("\u{2068}שלום עולם 100 مرحبا\u{2069}"));
        assert_eq!(report.matches('\u{2068}').count(), report.matches('\u{2069}').count());
    }

    #[test]
    fn ten_thousand_models_make_no_longer_a_report() {
        let report = terminal(&fixture::many_models(10_000), Some(100), Colour::Never);
        assert!(report.lines().count() < 1200, "{}", report.lines().count());
        assert!(report.contains("more (all are in results.json)"));
        assert!(report.contains("and 4,951 more: `failures` in results.json has all"));
    }

    #[test]
    fn intervals_leave_first_then_deviations() {
        let table = crate::table::overall(&fixture::results());
        let detail = |width| arrange(&table, Some(width)).0;
        assert_eq!(detail(200), Detail::Full);
        assert_eq!(detail(90), Detail::Deviation);
        assert_eq!(detail(75), Detail::Mean);
    }

    #[test]
    fn parts_of_a_split_table_repeat_the_labels() {
        let mut results = fixture::results();
        let one = results.fingerprints[0].clone();
        results.fingerprints = vec![one; 9];
        let table = crate::table::by_variation(&results);
        let (_, parts) = arrange(&table, Some(60));
        assert!(parts.len() > 1 && parts.iter().all(|part| part[..2] == [0, 1]), "{parts:?}");
        assert_eq!(parts.iter().map(|part| part.len() - 2).sum::<usize>(), 9);
    }

    #[test]
    fn colours_come_only_when_asked_for_and_never_from_a_suite() {
        assert!(!plain_report(Some(80)).contains('\u{1b}'));
        let coloured = terminal(&fixture::results(), Some(200), Colour::Always);
        assert!(coloured.contains("\u{1b}[1m"));
        assert!(!coloured.contains("\u{1b}[31m"));
    }

    #[test]
    fn long_text_wraps_with_an_indent() {
        let mut out = String::new();
        push_wrapped("- one two three four five six", 2, Some(18), &mut out);
        assert_eq!(out, "- one two three\n  four five six\n");
        out.clear();
        push_wrapped("- abcdefghijklmnopqrstuvwxyz 模型指纹识别方法比较", 2, Some(18), &mut out);
        assert_eq!(out, "- abcdefghijklmnop\n  qrstuvwxyz\n  模型指纹识别方法\n  比较\n");
    }
}
