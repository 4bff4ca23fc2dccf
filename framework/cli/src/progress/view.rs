//! How progress looks.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Narrowest and widest bar, in columns.
const BAR: (usize, usize) = (8, 24);

/// What is shown of a run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// Which step of how many, the first is 1; none for one that nobody foresaw.
    pub(crate) place: Option<(usize, usize)>,
    pub(crate) name: String,
    pub(crate) done: u64,
    pub(crate) cells: u64,
    /// Share of the step's work that is done, in [0, 1].
    pub(crate) share: f64,
    /// Seconds since the run began.
    pub(crate) elapsed: f64,
    /// Seconds that the run will take on; none while it can't be told.
    pub(crate) left: Option<f64>,
    /// What a worker is at.
    pub(crate) what: String,
}

impl View {
    /// `[3/4] models are derived and answer: 84 of 182, 1:12 so far, about 2 min left (half of lenet-a)`.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "{}{}: {} of {}, {} so far",
            self.place(),
            self.name,
            self.done,
            self.cells,
            clock(self.elapsed)
        );
        if let Some(left) = self.left {
            line.push_str(&format!(", {} left", about(left)));
        }
        if !self.what.is_empty() {
            line.push_str(&format!(" ({})", self.what));
        }
        line
    }

    /// The same with a bar, in at most `width` columns; what matters least goes first.
    pub(crate) fn drawn(&self, width: usize) -> String {
        let left = self.left.map(|left| format!("{} left", about(left)));
        let count = format!("{}/{}", self.done, self.cells);
        let head = format!("{}{}", self.place(), self.name);
        let middle = [Some(count.clone()), Some(clock(self.elapsed)), left.clone()];
        let middle = middle.into_iter().flatten().collect::<Vec<_>>().join("  ");
        let spare = width.saturating_sub(head.width() + 2 + middle.width());
        if spare > BAR.0 {
            let bar = BAR.1.min(spare - 1);
            let drawn = format!("{head} {} {middle}", self.bar(bar));
            let spare = width.saturating_sub(drawn.width() + 2);
            return match self.what.is_empty() || spare < BAR.0 {
                true => drawn,
                false => format!("{drawn}  {}", shortened(&self.what, spare)),
            };
        }
        // Too narrow for all: the name gives way first, then the count.
        let short = width.saturating_sub(middle.width() + 2);
        if short >= BAR.0 {
            return format!("{}  {middle}", shortened(&head, short));
        }
        let rest = left.map_or(count.clone(), |left| format!("{count}  {left}"));
        shortened(&rest, width)
    }

    fn place(&self) -> String {
        self.place.map_or_else(String::new, |(step, steps)| format!("[{step}/{steps}] "))
    }

    fn bar(&self, columns: usize) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in [0, columns]"
        )]
        let full = (self.share.clamp(0.0, 1.0) * columns as f64).floor() as usize;
        format!("{}{}", "#".repeat(full), ".".repeat(columns - full))
    }
}

/// Time gone by: `0:42`, `12:05`, `1:02:03`.
fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let seconds = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Time to come, no finer than it can be known: `a few seconds`, `about 25 s`, `about 3 min`, `about 2 h 20 min`.
fn about(seconds: f64) -> String {
    let to = |unit: f64| (seconds / unit).round() * unit;
    match seconds {
        s if s < 7.5 => "a few seconds".to_owned(),
        s if s < 57.5 => format!("about {:.0} s", to(5.0)),
        s if s < 59.5 * 60.0 => format!("about {:.0} min", (to(60.0) / 60.0).max(1.0)),
        _ => {
            let minutes = to(600.0) / 60.0;
            match minutes % 60.0 {
                0.0 => format!("about {:.0} h", minutes / 60.0),
                rest => format!("about {:.0} h {rest:.0} min", (minutes / 60.0).floor()),
            }
        }
    }
}

/// The text in at most `width` columns, its end cut off where need be.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut columns) = (String::new(), 0);
    for c in text.chars() {
        columns += c.width().unwrap_or(0);
        if columns + 1 > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('~');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(what: &str, left: Option<f64>) -> View {
        View {
            place: Some((3, 4)),
            name: "models are derived and answer".into(),
            done: 84,
            cells: 182,
            share: 0.5,
            elapsed: 72.4,
            left,
            what: what.into(),
        }
    }

    #[test]
    fn a_line_names_step_count_times_and_work() {
        assert_eq!(
            view("half of lenet-a", Some(130.0)).line(),
            "[3/4] models are derived and answer: 84 of 182, 1:12 so far, about 2 min left (half of lenet-a)"
        );
        assert_eq!(
            view("", None).line(),
            "[3/4] models are derived and answer: 84 of 182, 1:12 so far"
        );
    }

    #[test]
    fn a_terminal_of_any_width_is_never_exceeded() {
        for what in
            ["", "half of lenet-a", "模型 of 网络 and a long name that goes on and on and on"]
        {
            for left in [None, Some(130.0)] {
                for width in 0..200 {
                    let drawn = view(what, left).drawn(width);
                    assert!(drawn.width() <= width, "{width}: {drawn}");
                    assert!(!drawn.contains('\u{1b}'));
                }
            }
        }
    }

    #[test]
    fn wide_terminals_show_all_and_narrow_ones_what_matters() {
        let view = view("half of lenet-a", Some(130.0));
        assert_eq!(
            view.drawn(120),
            "[3/4] models are derived and answer ############............ 84/182  1:12  about 2 min left  half of lenet-a"
        );
        assert_eq!(
            view.drawn(80),
            "[3/4] models are derived and answer ######...... 84/182  1:12  about 2 min left"
        );
        assert_eq!(view.drawn(50), "[3/4] models are ~  84/182  1:12  about 2 min left");
        assert_eq!(view.drawn(28), "84/182  about 2 min left");
        assert_eq!(view.drawn(10), "84/182  a~");
    }

    #[test]
    fn times_to_come_are_no_finer_than_they_are_known() {
        let words = [1.0, 24.0, 58.0, 89.0, 91.0, 3500.0, 3700.0, 8500.0].map(about);
        let expected = [
            "a few seconds",
            "about 25 s",
            "about 1 min",
            "about 1 min",
            "about 2 min",
            "about 58 min",
            "about 1 h",
            "about 2 h 20 min",
        ];
        assert_eq!(words, expected);
        assert_eq!([5.0, 65.0, 3723.0].map(clock), ["0:05", "1:05", "1:02:03"]);
    }
}
