//! Progress of a run on standard error: a line that is drawn anew on a terminal, else a line now and then.

mod estimate;
mod view;

use std::{
    cell::Cell,
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bertillon_reports::plain;
use bertillon_runner::{Ahead, CellCost, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{self, duration, say};
use estimate::Estimate;
use view::View;

/// Time between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(250);

/// Time between two looks at whether a line is due elsewhere.
const LOOK: Duration = Duration::from_secs(1);

/// Tells how a run is getting on.
#[derive(Debug)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
    /// Draws while nothing happens; dropping the sender ends it.
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Shared {
    style: Style,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Style {
    Quiet,
    Lines,
    /// A line that is drawn anew: cleared for other output, and silent should the terminal go away.
    Terminal(ProgressBar),
}

#[derive(Debug)]
struct State {
    began: Instant,
    estimate: Estimate,
    /// Names of all steps that are known of.
    steps: Vec<String>,
    step: Option<Step>,
    what: String,
    told: Instant,
}

/// The step under way.
#[derive(Debug)]
struct Step {
    name: String,
    cells: u64,
    done: u64,
    has_work: bool,
    began: Instant,
}

impl Reporter {
    /// A line drawn anew on a terminal, lines elsewhere; a run has so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let style = match std::io::stderr().is_terminal() && output::can_redraw() {
            true => Style::Terminal(terminal()),
            false => Style::Lines,
        };
        let every = match style {
            Style::Terminal(_) => REDRAW,
            Style::Lines | Style::Quiet => LOOK,
        };
        let shared = Arc::new(Shared::new(style, workers));
        let (sender, receiver) = mpsc::channel();
        let ticking = shared.clone();
        let ticker = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while receiver.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                ticking.tick();
            }
        });
        // Without a thread to draw by, cells that end still do.
        Self { shared, ticker: ticker.ok().map(|thread| (sender, thread)) }
    }

    /// Nothing but errors.
    pub(crate) fn quiet() -> Self {
        Self { shared: Arc::new(Shared::new(Style::Quiet, 1)), ticker: None }
    }

    /// Writes a line without breaking the drawing.
    pub(crate) fn say(&self, line: &str) {
        self.shared.say(line);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.ticker.take() {
            drop(sender);
            // A drawing that panicked has nothing more to say.
            drop(thread.join());
        }
        if let Style::Terminal(bar) = &self.shared.style {
            bar.finish_and_clear();
        }
    }
}

impl Shared {
    fn new(style: Style, workers: usize) -> Self {
        let now = Instant::now();
        let state = State {
            began: now,
            estimate: Estimate::new(workers, 0.0),
            steps: Vec::new(),
            step: None,
            what: String::new(),
            told: now,
        };
        Self { style, state: Mutex::new(state) }
    }

    fn say(&self, line: &str) {
        match &self.style {
            Style::Terminal(bar) => bar.suspend(|| say(line)),
            Style::Lines | Style::Quiet => say(line),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws, or says a line when one is due.
    fn tick(&self) {
        let mut state = self.state();
        let Some(view) = state.view() else { return };
        match &self.style {
            Style::Terminal(bar) => {
                bar.set_message(view.drawn(output::error_width().unwrap_or(80)));
                bar.tick();
            }
            Style::Lines if state.is_line_due() => {
                state.told = Instant::now();
                drop(state);
                say(&view.line());
            }
            Style::Lines | Style::Quiet => {}
        }
    }
}

impl State {
    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn view(&mut self) -> Option<View> {
        let now = self.now();
        let left = self.estimate.left(now);
        let share = self.estimate.share_of_step();
        let step = self.step.as_ref()?;
        let place = self.steps.iter().position(|name| *name == step.name);
        Some(View {
            place: place.map(|place| (place + 1, self.steps.len())),
            name: step.name.clone(),
            done: step.done,
            cells: step.cells,
            share: share.unwrap_or(step.done as f64 / step.cells.max(1) as f64),
            elapsed: now,
            left,
            what: self.what.clone(),
        })
    }

    /// A line every ten seconds at first, every minute in a run of hours.
    fn is_line_due(&self) -> bool {
        let between = match self.now() {
            early if early < 120.0 => 10,
            early if early < 900.0 => 30,
            _ => 60,
        };
        self.told.elapsed() >= Duration::from_secs(between)
    }
}

impl Progress for Reporter {
    fn foresee(&self, steps: &[Ahead]) {
        let mut state = self.shared.state();
        state.estimate.foresee(steps);
        for step in steps {
            let name = plain(&step.name);
            if !state.steps.contains(&name) {
                state.steps.push(name);
            }
        }
    }

    fn begin(&self, step: &Ahead) {
        let name = plain(&step.name);
        let has_work = !step.groups.is_empty();
        let mut state = self.shared.state();
        state.estimate.begin(step);
        state.what.clear();
        let (cells, began) = (step.cells, Instant::now());
        state.step = Some(Step { name: name.clone(), cells, done: 0, has_work, began });
        drop(state);
        match &self.shared.style {
            Style::Lines if has_work => say(&format!("{name}: {cells} to do")),
            Style::Terminal(_) => self.shared.tick(),
            Style::Lines | Style::Quiet => {}
        }
    }

    fn cell_begins(&self, cost: &CellCost) {
        let mut state = self.shared.state();
        let now = state.now();
        state.estimate.cell_begins(worker(), cost, now);
    }

    fn working_on(&self, what: &str) {
        self.shared.state().what = plain(what);
    }

    fn cell_ends(&self, cost: &CellCost, took: Duration) {
        let mut state = self.shared.state();
        state.estimate.cell_ends(worker(), cost, took.as_secs_f64());
        if let Some(step) = &mut state.step {
            step.done += 1;
        }
    }

    fn end(&self) {
        let mut state = self.shared.state();
        state.estimate.end();
        let Some(step) = state.step.take() else { return };
        state.told = Instant::now();
        drop(state);
        match &self.shared.style {
            Style::Quiet => {}
            Style::Lines | Style::Terminal(_) => self.say(&step.end(step.began.elapsed())),
        }
    }

    fn warn(&self, message: &str) {
        match &self.shared.style {
            Style::Quiet => {}
            Style::Lines | Style::Terminal(_) => self.say(&format!("warning: {}", plain(message))),
        }
    }
}

impl Step {
    fn end(&self, elapsed: Duration) -> String {
        match self.has_work {
            true => format!("{}: {} in {}", self.name, self.done, duration(elapsed.as_secs_f64())),
            false => format!("{}: {}, all in the cache", self.name, self.done),
        }
    }
}

/// A number for the calling thread.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

fn terminal() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_step_tells_when_the_cache_had_it_all() {
        let took = Duration::from_secs(3);
        let step = |has_work| Step {
            name: "answer".into(),
            cells: 5,
            done: 5,
            has_work,
            began: Instant::now(),
        };
        assert_eq!(step(true).end(took), "answer: 5 in 3 s");
        assert_eq!(step(false).end(took), "answer: 5, all in the cache");
    }

    #[test]
    fn a_view_counts_cells_and_steps_and_names_the_work() {
        let reporter = Reporter::quiet();
        let cell = CellCost { group: "prune".into(), work: 1.0 };
        let step = Ahead::new("answer\u{202e}", vec![cell.clone(); 4]);
        reporter.foresee(&[step.clone(), Ahead::new("distances", [])]);
        reporter.begin(&step);
        reporter.cell_begins(&cell);
        reporter.working_on("half of\u{1b}[2J lenet-a");
        reporter.cell_ends(&cell, Duration::from_secs(1));
        let view = reporter.shared.state().view().unwrap();
        assert_eq!((view.place, view.done, view.cells), (Some((1, 2)), 1, 4));
        assert_eq!(
            (view.name.as_str(), view.what.as_str()),
            ("answer\\u{202e}", "half of\\u{1b}[2J lenet-a")
        );
        assert!((view.share - 0.25).abs() < 1e-9);
        reporter.end();
        assert!(reporter.shared.state().view().is_none());
    }
}
