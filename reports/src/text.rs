//! Figures in words, and text from suites made harmless.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

/// A share in percent with one decimal: `94.7`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// A share in percent, as short as it is exact: `5 %`, `0.1 %`.
pub(crate) fn target(share: f64) -> String {
    let micro = (share * 1e8).round() / 1e6;
    format!("{micro} %")
}

/// A count that may be a mean: `0`, `2.5`, `12,345`.
pub(crate) fn count(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() < 10.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

/// A figure of unknown size, with about three digits that count.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e15 => count(value),
        size if size >= 1000.0 => count(value),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.3}").trim_end_matches('0').to_owned(),
        _ => format!("{value:.2e}"),
    }
}

/// `1 model`, `2 models`.
pub(crate) fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n as f64), if n == 1 { one } else { many })
}

/// Columns that text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Text on one line, with characters that act or hide shown as `\u{1b}`.
///
/// So are control characters, those that reorder others or that nothing is seen of; breaks and tabs become spaces.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if c.is_control() || is_hidden(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Characters that direct, join or separate others and have no shape of their own.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Text for a terminal, on one line: what acts or hides is shown, what is written from right to left stays in its place.
pub fn plain(text: &str) -> String {
    let shown = visible(text);
    // Isolated, for it would pull figures that follow to its left.
    if shown.chars().any(runs_leftwards) { format!("\u{2068}{shown}\u{2069}") } else { shown }
}

/// Whether a character is of a script that is written from right to left.
fn runs_leftwards(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFC}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
    )
}

/// Most names of a list that is read by people.
const MOST_NAMES: usize = 20;

/// Names one after the other; of many the first, and how many more there are.
pub(crate) fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(MOST_NAMES + 1) {
        None => names.join(", "),
        Some(more) => {
            let more = count((more + 1) as f64);
            format!("{} and {more} more (all are in results.json)", names[..MOST_NAMES].join(", "))
        }
    }
}

/// Text as Markdown that shows exactly it, on one line, in a table's cell or elsewhere.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    let text = plain(text);
    let text = text.trim();
    for (i, c) in text.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A comment that GitHub drops keeps it from telling a person or linking an issue.
            '@' if is_followed(&text[i..]) => out.push_str("@<!-- -->"),
            '#' if is_followed(&text[i..]) => out.push_str("\\#<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' | '!' => {
                let _ = write!(out, "\\{c}");
            }
            // At the start of a line these begin a list or underline a heading.
            '-' | '+' | '=' if i == 0 => {
                let _ = write!(out, "\\{c}");
            }
            '.' | ')' if i > 0 && text[..i].bytes().all(|b| b.is_ascii_digit()) => {
                let _ = write!(out, "\\{c}");
            }
            // GitHub turns bare addresses into links.
            ':' if text[i..].starts_with("://") => out.push_str("&#58;"),
            '.' if text[..i].to_ascii_lowercase().ends_with("www") => out.push_str("&#46;"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a letter or digit follows the first character.
fn is_followed(text: &str) -> bool {
    text.chars().nth(1).is_some_and(char::is_alphanumeric)
}

/// Text as a cell of CSV: without characters that act, and with an apostrophe before what a spreadsheet would take for a
/// formula.
pub fn spreadsheet_text(text: &str) -> String {
    let keeps = |c: char| matches!(c, '\n' | '\r' | '\t');
    let shown = text.split_inclusive(keeps).map(|part| match part.char_indices().next_back() {
        Some((last, c)) if keeps(c) => format!("{}{c}", visible(&part[..last])),
        _ => visible(part),
    });
    let shown: String = shown.collect();
    // Some programs drop spaces before they look; the wide forms are taken for the narrow ones.
    let begins = shown.trim_start_matches(' ').chars().next();
    let acts = matches!(
        begins,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    );
    let number = shown.parse::<f64>().is_ok_and(f64::is_finite);
    if acts && !number { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_shows_as_itself() {
        assert_eq!(
            escaped("a|b`c`\n<b>*x*</b> & [y](z)"),
            "a\\|b\\`c\\` &lt;b&gt;\\*x\\*&lt;/b&gt; &amp; \\[y\\](z)"
        );
        assert_eq!(escaped("# h #12"), "\\# h \\#<!-- -->12");
        assert_eq!(escaped("- item"), "\\- item");
        assert_eq!(escaped("12. item"), "12\\. item");
        assert_eq!(escaped("prune/conv/0.2"), "prune/conv/0\\.2".replace("\\.", "."));
        assert_eq!(escaped("https://a.b @you"), "https&#58;//a.b @<!-- -->you");
        assert_eq!(escaped("www.a.b"), "www&#46;a.b");
    }

    #[test]
    fn characters_that_act_or_hide_are_shown() {
        let text = "a\u{1b}[31mb\u{202e}c\u{7}\td\r\ne\u{200b}\u{9b}";
        assert_eq!(plain(text), "a\\u{1b}[31mb\\u{202e}c\\u{7} d  e\\u{200b}\\u{9b}");
    }

    #[test]
    fn what_is_written_from_right_to_left_is_isolated() {
        assert_eq!(plain("שלום 3"), "\u{2068}שלום 3\u{2069}");
        assert_eq!(plain("中文 é"), "中文 é");
        assert_eq!(width(&plain("שלום 3")), 6);
        assert_eq!(width("中文 é"), 6);
    }

    #[test]
    fn long_lists_say_how_many_more_there_are() {
        let names: Vec<String> = (0..1234).map(|i| format!("m{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names[..2]), "m0, m1");
        assert!(listed(&names[..20]).ends_with("m18, m19"));
        assert!(listed(&names).ends_with("m18, m19 and 1,214 more (all are in results.json)"));
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(percent(0.947_4), "94.7");
        assert_eq!([target(0.05), target(0.07), target(0.001)], ["5 %", "7 %", "0.1 %"]);
        let counts = [0.0, 2.5, 12.0, 1234.0, 12_345_678.4].map(count);
        assert_eq!(counts, ["0", "2.5", "12", "1,234", "12,345,678"]);
        let figures = [98.5, 0.691_23, 123.456, 4567.8, 1.5e-5].map(figure);
        assert_eq!(figures, ["98.5", "0.691", "123.5", "4,568", "1.50e-5"]);
        assert_eq!(plural(1, "model", "models"), "1 model");
    }
}
