//! Progress of a run on standard error: a bar on a terminal, else a line now and then.

use std::{
    io::IsTerminal as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bertillon_reports::plain;
use bertillon_runner::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{duration, say};

/// Time between two lines where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Tells how a run is getting on.
#[derive(Debug)]
pub(crate) struct Reporter {
    style: Style,
    step: Mutex<Step>,
}

#[derive(Debug)]
enum Style {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

/// The step under way.
#[derive(Debug)]
struct Step {
    name: String,
    what: String,
    total: u64,
    cached: u64,
    done: u64,
    began: Instant,
    told: Instant,
}

impl Step {
    fn begin(name: &str, total: u64, cached: u64) -> Self {
        let now = Instant::now();
        let name = plain(name);
        Self { name, what: String::new(), total, cached, done: cached, began: now, told: now }
    }

    /// Seconds that the rest will take at the pace so far.
    fn left(&self, elapsed: Duration) -> Option<f64> {
        let (here, rest) =
            (self.done.checked_sub(self.cached)?, self.total.checked_sub(self.done)?);
        (here > 0).then(|| elapsed.as_secs_f64() * rest as f64 / here as f64)
    }

    fn line(&self, elapsed: Duration) -> String {
        let mut line = format!("{}: {} of {}", self.name, self.done, self.total);
        if let Some(left) = self.left(elapsed) {
            line.push_str(&format!(", about {} left", duration(left)));
        }
        if !self.what.is_empty() {
            line.push_str(&format!(", {}", self.what));
        }
        line
    }

    fn end(&self, elapsed: Duration) -> String {
        let took = duration(elapsed.as_secs_f64());
        match self.cached {
            0 => format!("{}: {} in {took}", self.name, self.done),
            n if n >= self.total => format!("{}: {n}, all in the cache", self.name),
            n => format!("{}: {} in {took}, {n} of them in the cache", self.name, self.done),
        }
    }
}

impl Reporter {
    /// A bar on a terminal, lines elsewhere.
    pub(crate) fn new() -> Self {
        let style = match std::io::stderr().is_terminal() {
            true => Style::Bar(bar()),
            false => Style::Lines,
        };
        Self { style, step: Mutex::new(Step::begin("", 0, 0)) }
    }

    /// Warnings only.
    pub(crate) fn quiet() -> Self {
        Self { style: Style::Quiet, step: Mutex::new(Step::begin("", 0, 0)) }
    }

    /// Writes a line without breaking the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| say(line)),
            Style::Lines | Style::Quiet => say(line),
        }
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Reporter {
    fn begin(&self, step: &str, total: u64, cached: u64) {
        let step = Step::begin(step, total, cached);
        match &self.style {
            Style::Bar(bar) => {
                bar.reset();
                bar.set_length(total);
                bar.set_position(cached);
                bar.reset_eta();
                bar.set_prefix(step.name.clone());
                bar.set_message("");
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            Style::Lines if cached < total => {
                say(&format!("{}: {total} to do, {cached} of them in the cache", step.name));
            }
            Style::Lines | Style::Quiet => {}
        }
        *self.step() = step;
    }

    fn working_on(&self, what: &str) {
        let what = plain(what);
        if let Style::Bar(bar) = &self.style {
            bar.set_message(what.clone());
        }
        self.step().what = what;
    }

    fn advance(&self, units: u64) {
        let mut step = self.step();
        step.done = step.done.saturating_add(units);
        match &self.style {
            Style::Bar(bar) => bar.inc(units),
            Style::Lines if step.told.elapsed() >= BETWEEN_LINES => {
                step.told = Instant::now();
                say(&step.line(step.began.elapsed()));
            }
            Style::Lines | Style::Quiet => {}
        }
    }

    fn end(&self) {
        let line = {
            let step = self.step();
            step.end(step.began.elapsed())
        };
        match &self.style {
            Style::Bar(bar) => {
                bar.disable_steady_tick();
                bar.suspend(|| say(&line));
            }
            Style::Lines => say(&line),
            Style::Quiet => {}
        }
    }

    fn warn(&self, message: &str) {
        self.say(&format!("warning: {}", plain(message)));
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} {bar:24} {human_pos} of {human_len}, {eta} left  {wide_msg:.dim}",
    );
    let bar = ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(total: u64, cached: u64, done: u64) -> Step {
        Step { done, what: "half of lenet-a".to_owned(), ..Step::begin("answer", total, cached) }
    }

    #[test]
    fn what_the_cache_had_is_no_progress_of_this_run() {
        let left = step(100, 40, 50).left(Duration::from_secs(20));
        assert_eq!(left, Some(100.0));
        assert_eq!(step(100, 40, 40).left(Duration::from_secs(20)), None);
        assert_eq!(step(10, 0, 12).left(Duration::from_secs(20)), None);
    }

    #[test]
    fn a_line_names_step_count_time_left_and_work() {
        let line = step(100, 40, 50).line(Duration::from_secs(20));
        assert_eq!(line, "answer: 50 of 100, about 2 min left, half of lenet-a");
    }

    #[test]
    fn the_end_of_a_step_tells_what_the_cache_had() {
        let took = Duration::from_secs(3);
        assert_eq!(step(5, 0, 5).end(took), "answer: 5 in 3 s");
        assert_eq!(step(5, 2, 5).end(took), "answer: 5 in 3 s, 2 of them in the cache");
        assert_eq!(step(5, 5, 5).end(took), "answer: 5, all in the cache");
    }
}
