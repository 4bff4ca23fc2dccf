//! Mistakes of a suite: with the lines they stand in for people, one JSON object a line for programs.

use std::{error::Error, fmt, ops::Range};

use bertillon::suite::{Diagnostic, SuiteError};
use bertillon_reports::plain;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use serde_json::json;

/// Mistakes shown; who has more will start with these.
const MOST: usize = 50;

/// The same for programs.
const MOST_FOR_PROGRAMS: usize = 1_000;

/// Bytes of a line beyond which it is cut, and what is kept of it before and after the start of a mistake.
const LONG: usize = 240;
const BEFORE: usize = 60;
const AFTER: usize = 160;

/// Lines of a mistake beyond which only its first is shown.
const MANY_LINES: usize = 8;

/// Every mistake with the lines of the suite that it stands in, `width` columns wide.
pub(super) fn drawn(error: &SuiteError, theme: GraphicalTheme, width: usize) -> String {
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width);
    let name = plain(&error.path.display().to_string());
    let source = Source::new(&error.text);
    let mut text = String::new();
    for diagnostic in error.diagnostics.iter().take(MOST) {
        let excerpt = (!error.text.is_empty()).then(|| source.excerpt(&name, &diagnostic.at));
        let mistake = Mistake { diagnostic, excerpt };
        if handler.render_report(&mut text, &mistake).is_err() {
            text.push_str(&format!("error: {}\n", plain(&diagnostic.message)));
        }
        text.push('\n');
    }
    match error.diagnostics.len().checked_sub(MOST) {
        None | Some(0) => {}
        Some(more) => text.push_str(&format!("and {more} more\n")),
    }
    text + &format!("error: {}\n", plain(&error.to_string()))
}

/// Mistakes as JSON objects, each on a line of its own; lines and columns (of characters) count from 1.
pub(super) fn json_lines(error: &SuiteError) -> String {
    let source = Source::new(&error.text);
    let line = |diagnostic: &Diagnostic| {
        let mut object = json!({
            "severity": "error",
            "file": error.path.display().to_string(),
            "message": diagnostic.message,
        });
        if !diagnostic.label.is_empty() {
            object["label"] = json!(diagnostic.label);
        }
        if let Some(help) = &diagnostic.help {
            object["help"] = json!(help);
        }
        if !error.text.is_empty() {
            let start = source.place(diagnostic.at.start);
            let end = source.place(diagnostic.at.end.max(diagnostic.at.start));
            (object["line"], object["column"]) = (json!(start.0), json!(start.1));
            (object["end_line"], object["end_column"]) = (json!(end.0), json!(end.1));
        }
        object.to_string() + "\n"
    };
    error.diagnostics.iter().take(MOST_FOR_PROGRAMS).map(line).collect()
}

/// The text of a suite, safe to be shown, with the starts of its lines.
struct Source {
    text: String,
    lines: Vec<usize>,
}

impl Source {
    fn new(text: &str) -> Self {
        let text = shown(text);
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { text, lines }
    }

    /// Line, from 0, of a byte.
    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|&start| start <= at).saturating_sub(1)
    }

    /// Bytes of a line without its end.
    fn line(&self, line: usize) -> Range<usize> {
        let start = self.lines[line];
        let end = self.lines.get(line + 1).map_or(self.text.len(), |&next| next - 1);
        start..end
    }

    /// Line and column from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at);
        let line = self.line_of(at);
        (line + 1, self.text[self.lines[line]..at].chars().count() + 1)
    }

    /// The lines around a mistake; long ones cut.
    fn excerpt(&self, name: &str, at: &Range<usize>) -> Excerpt {
        let start = self.text.floor_char_boundary(at.start);
        let mut end = self.text.floor_char_boundary(at.end).max(start);
        let (first, mut last) = (self.line_of(start), self.line_of(end));
        if last - first > MANY_LINES {
            (last, end) = (first, self.line(first).end);
        }
        let mut excerpt = Excerpt {
            name: name.to_owned(),
            text: String::new(),
            at: 0..0,
            first_line: first.saturating_sub(1),
            marked_line: first,
            column: self.text[self.line(first).start..start].chars().count(),
        };
        for line in first.saturating_sub(1)..=(last + 1).min(self.lines.len() - 1) {
            let whole = self.line(line);
            let kept = match whole.len() {
                ..=LONG => whole.clone(),
                _ if line == first => {
                    let from = start.saturating_sub(BEFORE).max(whole.start);
                    let to = (start + AFTER).min(whole.end);
                    self.text.floor_char_boundary(from)..self.text.floor_char_boundary(to)
                }
                _ => whole.start..self.text.floor_char_boundary(whole.start + AFTER),
            };
            let cut = if kept.start > whole.start { "…" } else { "" };
            excerpt.text.push_str(cut);
            let shift =
                |at: usize| excerpt.text.len() + at.clamp(kept.start, kept.end) - kept.start;
            if line == first {
                excerpt.at.start = shift(start);
            }
            if (whole.start..=whole.end).contains(&end) {
                excerpt.at.end = shift(end);
            }
            excerpt.text.push_str(&self.text[kept.clone()]);
            excerpt.text.push_str(if kept.end < whole.end { "…\n" } else { "\n" });
        }
        excerpt.at.end = excerpt.at.end.max(excerpt.at.start);
        excerpt
    }
}

/// The text with everything that could confuse a terminal replaced, byte for byte, so that all places stay.
fn shown(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' => '\u{FFFD}',
        '\u{80}'..='\u{9F}' | '\u{61C}' => '\u{BF}',
        c if c.is_control() => '?',
        c => c,
    };
    // A Windows line ending is one; miette counts it so.
    text.replace("\r\n", " \n").chars().map(shown).collect()
}

/// Some lines of a suite that know which they are.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// Bytes of `text` that are marked.
    at: Range<usize>,
    first_line: usize,
    /// Line and column, in characters from 0, at which the mistake starts.
    marked_line: usize,
    column: usize,
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        let line = contents.line() + self.first_line;
        let column = if line == self.marked_line { self.column } else { contents.column() };
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            line,
            column,
            contents.line_count(),
        );
        Ok(Box::new(contents.with_language("toml")))
    }
}

/// One mistake as miette wants it.
struct Mistake<'a> {
    diagnostic: &'a Diagnostic,
    excerpt: Option<Excerpt>,
}

impl fmt::Debug for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.diagnostic, f)
    }
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One that tells of several, as of those of another file, has a line for each.
        let lines = self.diagnostic.message.lines().map(plain);
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl Error for Mistake<'_> {}

impl miette::Diagnostic for Mistake<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_deref().map(plain)?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.excerpt.as_ref()?.at.clone();
        let label = Some(plain(&self.diagnostic.label)).filter(|label| !label.is_empty());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(label, at))))
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use super::*;

    fn error(text: &str, at: Range<usize>) -> SuiteError {
        let diagnostic = Diagnostic {
            message: "unknown key `b`".to_owned(),
            at,
            label: "not a key of a suite".to_owned(),
            help: Some("did you mean `c`?".to_owned()),
        };
        SuiteError {
            path: PathBuf::from("demo.toml"),
            text: Arc::from(text),
            diagnostics: vec![diagnostic],
            partial: None,
        }
    }

    fn drawn(error: &SuiteError) -> String {
        super::drawn(error, GraphicalTheme::unicode_nocolor(), 80)
    }

    #[test]
    fn the_line_is_shown_with_its_number_and_the_mark_under_it() {
        let text = drawn(&error("a = 1\r\n\nébb = 2\n", 10..12));
        assert!(text.contains("[demo.toml:3:2]"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let line = lines.iter().position(|line| line.contains("ébb = 2")).unwrap();
        let column = |line: &str, c: char| line.chars().position(|found| found == c);
        assert_eq!(column(lines[line], 'b'), column(lines[line + 1], '─'), "{text}");
        assert!(text.contains("did you mean `c`?"), "{text}");
    }

    #[test]
    fn a_message_of_several_lines_keeps_them() {
        let mut several = error("a = 1\n", 0..1);
        several.diagnostics[0].message = "line 1: one\nline 2: two".to_owned();
        let text = drawn(&several);
        let ends: Vec<&str> = text.lines().take(2).map(|line| line.trim_end()).collect();
        assert!(ends[0].ends_with("line 1: one") && ends[1].ends_with("line 2: two"), "{text}");
    }

    #[test]
    fn nothing_of_a_suite_commands_a_terminal() {
        let evil = "x = \"\u{1b}[2J\u{9b}31m\u{202e}\u{feff}\u{7f}\" # \u{2066}\u{61c}\n";
        let shown = shown(evil);
        assert_eq!(shown.len(), evil.len(), "places stay");
        let text = drawn(&SuiteError { path: PathBuf::from("a\u{1b}b.toml"), ..error(evil, 5..8) });
        let is_evil =
            |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{2069}').contains(&c);
        assert!(!text.contains(is_evil), "{text:?}");
    }

    #[test]
    fn a_line_of_any_length_is_cut_around_the_mistake() {
        let text = format!("a = \"{}\", bb = 1, {}\n", "é".repeat(5000), "z".repeat(100_000));
        let at = text.find("bb").unwrap();
        let column = text[..at].chars().count() + 1;
        let drawn = drawn(&error(&text, at..at + 2));
        assert!(drawn.len() < 2000, "{}", drawn.len());
        assert!(
            drawn.contains(&format!("[demo.toml:1:{column}]")) && drawn.contains("bb = 1"),
            "{drawn}"
        );
    }

    #[test]
    fn places_at_the_end_or_beyond_are_shown_all_the_same() {
        for (text, at) in [("a", 1..1), ("a\n", 2..2), ("a", 5..9), ("é", 1..1), ("\n\n\n", 1..3)]
        {
            assert!(drawn(&error(text, at.clone())).contains("demo.toml"), "{text:?} {at:?}");
            assert!(json_lines(&error(text, at)).contains("demo.toml"));
        }
        let all = format!("[a]\n{}", "b = 1\n".repeat(500));
        assert!(drawn(&error(&all, 0..all.len())).lines().count() < 20);
    }

    #[test]
    fn more_mistakes_than_anyone_reads_are_counted() {
        let mut many = error("a = 1\n", 0..1);
        many.diagnostics = vec![many.diagnostics[0].clone(); 1000];
        let text = drawn(&many);
        assert!(text.contains("and 950 more") && text.contains("1000 mistakes"), "{text}");
    }

    #[test]
    fn json_tells_places_in_characters_from_one() {
        let line = json_lines(&error("a = 1\n\"é\" = 1, b = 2\n", 15..16));
        let value: serde_json::Value = serde_json::from_str(line.trim_end()).unwrap();
        assert_eq!(value["line"], 2);
        assert_eq!(value["column"], 9);
        assert_eq!((value["end_line"].clone(), value["end_column"].clone()), (2.into(), 10.into()));
        assert_eq!(value["help"], "did you mean `c`?");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
