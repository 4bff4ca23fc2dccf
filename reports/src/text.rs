//! Figures in words, and text from suites made harmless.

use std::fmt::Write as _;

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

/// Text on one line without control characters, nor characters that reorder or hide others.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            _ if c.is_control() => None,
            '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}' => None,
            _ => Some(c),
        })
        .collect()
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
            '@' => out.push_str("&#64;"),
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
            _ => out.push(c),
        }
    }
    out
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
        assert_eq!(escaped("# h"), "\\# h");
        assert_eq!(escaped("- item"), "\\- item");
        assert_eq!(escaped("12. item"), "12\\. item");
        assert_eq!(escaped("prune/conv/0.2"), "prune/conv/0\\.2".replace("\\.", "."));
        assert_eq!(escaped("https://a.b @you"), "https&#58;//a.b &#64;you");
    }

    #[test]
    fn control_characters_vanish() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\u{7}\td\r\ne"), "a[31mbc d  e");
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
