//! Standard output and error, which may be closed at any time.

use std::{
    env, fs,
    io::{self, ErrorKind, IsTerminal as _, Write as _},
    path::PathBuf,
};

use bertillon_reports::Colour;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, presets::UTF8_HORIZONTAL_ONLY};

use crate::failure::Failure;

/// Writes results to standard output.
///
/// A reader that has seen enough (`bertillon list | head -1`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::User(format!("can't write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes results to a file, or to standard output where none is given.
pub(crate) fn write(to: Option<&PathBuf>, text: &str) -> Result<(), Failure> {
    match to {
        None => print(text),
        Some(path) => fs::write(path, text)
            .map_err(|error| Failure::User(format!("can't write {}: {error}", path.display()))),
    }
}

/// Writes a message to standard error, what commands a terminal made visible: it may hold names and words from anywhere.
pub(crate) fn say(text: &str) {
    let lines: Vec<String> = text.split('\n').map(bertillon_reports::plain).collect();
    say_as_it_is(&lines.join("\n"));
}

/// Writes a message to standard error that was made safe, or for a program.
pub(crate) fn say_as_it_is(text: &str) {
    // Nobody is left to be told when it fails.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns of the terminal that standard output is; none when it is something else.
pub(crate) fn width() -> Option<u16> {
    comfy_table::Table::new().width()
}

/// Columns of the terminal that standard error is; none when it is something else.
pub(crate) fn error_width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(width.into())
}

/// Whether a terminal can draw a line anew.
pub(crate) fn can_redraw() -> bool {
    env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Whether to colour standard output.
pub(crate) fn colour() -> Colour {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let refused = set("NO_COLOR").is_some();
    let plain = set("TERM").is_some_and(|value| value == "dumb")
        || set("CLICOLOR").is_some_and(|value| value == "0");
    wanted(refused, forced, io::stdout().is_terminal() && !plain)
}

/// A refusal (<https://no-color.org>) counts more than a demand (<https://bixense.com/clicolors>).
fn wanted(refused: bool, forced: bool, shows_colours: bool) -> Colour {
    match !refused && (forced || shows_colours) {
        true => Colour::Always,
        false => Colour::Never,
    }
}

/// Whether the user wants no plain text (<https://no-color.org>).
pub(crate) fn colours_welcome() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && can_redraw()
}

/// A plain table, all but the first `words` columns to the right.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    words: usize,
) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    for row in rows {
        table.add_row(row.map(|cell| bertillon_reports::plain(&cell)));
    }
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n", table.trim_fmt())
}

/// A number with what it counts: `1 query`, `2 queries`.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A time in words: `12 s`, `3 min`, `1 h 20 min`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => "an unknown time".to_owned(),
        s if s < 1.0 => "less than a second".to_owned(),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 99.5 * 60.0 => format!("{:.0} min", s / 60.0),
        s => {
            let minutes = (s / 60.0).round();
            format!("{} h {} min", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_refused_first_then_forced_then_for_terminals() {
        for (refused, forced, shows, expected) in [
            (false, false, false, Colour::Never),
            (false, false, true, Colour::Always),
            (false, true, false, Colour::Always),
            (true, false, true, Colour::Never),
            (true, true, true, Colour::Never),
        ] {
            assert_eq!(wanted(refused, forced, shows), expected, "{refused} {forced} {shows}");
        }
    }

    #[test]
    fn times_are_told_in_fitting_units() {
        let words = [0.2, 12.4, 99.0, 150.0, 6000.0, f64::NAN].map(duration);
        let expected =
            ["less than a second", "12 s", "99 s", "2 min", "1 h 40 min", "an unknown time"];
        assert_eq!(words, expected);
    }
}
