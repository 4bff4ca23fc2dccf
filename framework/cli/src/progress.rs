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
    cells: u64,
    done: u64,
    /// What all cells cost, and what those that are done did.
    work: f64,
    worked: f64,
    began: Instant,
    told: Instant,
}

impl Step {
    fn begin(name: &str, cells: u64, work: f64) -> Self {
        let now = Instant::now();
        let (name, what) = (plain(name), String::new());
        Self { name, what, cells, done: 0, work, worked: 0.0, began: now, told: now }
    }

    /// Seconds that the rest will take at the pace so far.
    fn left(&self, elapsed: Duration) -> Option<f64> {
        let rest = (self.work - self.worked).max(0.0);
        (self.worked > 0.0).then(|| elapsed.as_secs_f64() * rest / self.worked)
    }

    /// `about 2 min left, half of lenet-a`.
    fn outlook(&self, elapsed: Duration) -> String {
        let left = self.left(elapsed).map(|left| format!("about {} left", duration(left)));
        let what = Some(self.what.clone()).filter(|what| !what.is_empty());
        [left, what].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn line(&self, elapsed: Duration) -> String {
        let count = format!("{}: {} of {}", self.name, self.done, self.cells);
        match self.outlook(elapsed) {
            outlook if outlook.is_empty() => count,
            outlook => format!("{count}, {outlook}"),
        }
    }

    fn end(&self, elapsed: Duration) -> String {
        match self.work > 0.0 {
            true => format!("{}: {} in {}", self.name, self.done, duration(elapsed.as_secs_f64())),
            false => format!("{}: {}, all in the cache", self.name, self.done),
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
        Self { style, step: Mutex::new(Step::begin("", 0, 0.0)) }
    }

    /// Warnings only.
    pub(crate) fn quiet() -> Self {
        Self { style: Style::Quiet, step: Mutex::new(Step::begin("", 0, 0.0)) }
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
    fn begin(&self, step: &str, cells: u64, work: f64) {
        let step = Step::begin(step, cells, work);
        match &self.style {
            Style::Bar(bar) => {
                bar.reset();
                bar.set_length(cells);
                bar.set_prefix(step.name.clone());
                bar.set_message("");
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            Style::Lines if work > 0.0 => say(&format!("{}: {cells} to do", step.name)),
            Style::Lines | Style::Quiet => {}
        }
        *self.step() = step;
    }

    fn working_on(&self, what: &str) {
        let mut step = self.step();
        step.what = plain(what);
        if let Style::Bar(bar) = &self.style {
            bar.set_message(step.outlook(step.began.elapsed()));
        }
    }

    fn advance(&self, work: f64) {
        let mut step = self.step();
        step.done += 1;
        step.worked += work;
        match &self.style {
            Style::Bar(bar) => {
                bar.inc(1);
                bar.set_message(step.outlook(step.began.elapsed()));
            }
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
        "{prefix} {bar:24} {human_pos} of {human_len}  {wide_msg:.dim}",
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

    fn step(cells: u64, done: u64, work: f64, worked: f64) -> Step {
        Step { done, worked, what: "half of lenet-a".into(), ..Step::begin("answer", cells, work) }
    }

    #[test]
    fn what_is_left_goes_by_cost_not_by_count() {
        // A tenth of the cells was three quarters of the work.
        let left = step(100, 10, 40.0, 30.0).left(Duration::from_secs(60));
        assert_eq!(left, Some(20.0));
        assert_eq!(step(100, 10, 40.0, 0.0).left(Duration::from_secs(60)), None);
    }

    #[test]
    fn a_line_names_step_count_time_left_and_work() {
        let line = step(100, 50, 240.0, 40.0).line(Duration::from_secs(24));
        assert_eq!(line, "answer: 50 of 100, about 2 min left, half of lenet-a");
    }

    #[test]
    fn the_end_of_a_step_tells_when_the_cache_had_it_all() {
        let took = Duration::from_secs(3);
        assert_eq!(step(5, 5, 1.0, 1.0).end(took), "answer: 5 in 3 s");
        assert_eq!(step(5, 5, 0.0, 0.0).end(took), "answer: 5, all in the cache");
    }
}
