//! What the cells of a run share.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    Ahead, CellCost, Interrupt, Options, Progress, RunError,
    cache::{Cache, Found, Note, Object},
    forecast::{self, Extent, Forecast},
    key::Key,
    plan::Plan,
    worker::{Site, for_each},
};

/// What every cell of a run shares.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a Arc<Plan>,
    pub(crate) cache: &'a Cache,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) workers: &'a rayon::ThreadPool,
    options: &'a Options,
    speeds: OnceLock<Vec<f64>>,
    computed: AtomicU64,
    abandoned: Arc<AtomicU64>,
}

impl<'a> Context<'a> {
    /// The shared part of a run of `plan`.
    pub(crate) fn new(
        plan: &'a Arc<Plan>,
        cache: &'a Cache,
        workers: &'a rayon::ThreadPool,
        options: &'a Options,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            plan,
            cache,
            workers,
            progress,
            options,
            interrupt: &options.interrupt,
            speeds: OnceLock::new(),
            computed: AtomicU64::new(0),
            abandoned: Arc::default(),
        }
    }

    /// Answers computed so far.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// An object of the cache, or else a computed one, which goes there; or why it can't be computed.
    ///
    /// A failure is noted in the cache too, and believed where failures are not to be tried again.
    pub(crate) fn obtain<T: Object>(
        &self,
        key: Key,
        compute: impl FnOnce() -> Result<T, String>,
    ) -> Result<Result<T, String>, RunError> {
        if let Some(object) = self.cached(self.cache.get(key)) {
            return Ok(Ok(object));
        }
        if !self.options.retry_failures
            && let Some(Note(reason)) = self.cached(self.cache.get(key.failure()))
        {
            return Ok(Err(reason));
        }
        let computed = compute();
        match &computed {
            Ok(object) => self.cache.put(key, object)?,
            // What was interrupted has not failed.
            Err(_) if self.interrupt.is_set() => return Err(RunError::Interrupted),
            Err(reason) => self.cache.put(key.failure(), &Note(reason.clone()))?,
        }
        Ok(computed)
    }

    /// An object of the cache; a damaged one counts as missing, with a warning.
    fn cached<T>(&self, found: Found<T>) -> Option<T> {
        found.unwrap_or_else(|damaged| {
            self.progress.warn(&format!(
                "{} is damaged ({}); it is computed anew",
                damaged.path.display(),
                damaged.problem
            ));
            None
        })
    }

    /// Threads left to themselves so far.
    pub(crate) fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// What a cell works with.
    pub(crate) fn site(&self) -> Site {
        Site::new(self.plan, self.options, &self.abandoned)
    }

    pub(crate) fn count_answers(&self, answers: usize) {
        self.computed.fetch_add(answers as u64, Ordering::Relaxed);
    }

    /// What cells cost, as far as it is known by now.
    pub(crate) fn forecast(&self) -> Forecast<'_> {
        let speeds = self.speeds.get().map(Vec::as_slice);
        Forecast { plan: self.plan, cache: self.cache, speeds }
    }

    /// Tells what is ahead before anything is done.
    pub(crate) fn foresee(&self, extent: Extent) {
        self.progress.foresee(&self.forecast().steps(extent));
    }

    /// Tells again what is ahead when vanillas have been timed: seconds an image, none where the cache had the answers.
    pub(crate) fn foresee_again(&self, extent: Extent, timed: &[Option<f64>]) {
        let speeds = forecast::speeds(&self.forecast(), self.options, timed);
        self.speeds.get_or_init(|| speeds);
        self.progress.foresee(&self.forecast().steps(extent)[1..]);
    }

    /// Runs a step of the run with progress; `cost` weighs the cells in the estimate of what is left.
    pub(crate) fn step<C: Sync, T: Send>(
        &self,
        name: &str,
        cells: &[C],
        cost: impl Fn(&C) -> f64 + Sync,
        work: impl Fn(&C) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        let cost = |cell: &C| CellCost { group: String::new(), work: cost(cell) };
        self.step_in_groups(name, cells, cost, work)
    }

    /// As [`step`](Self::step), of cells that are not all alike.
    pub(crate) fn step_in_groups<C: Sync, T: Send>(
        &self,
        name: &str,
        cells: &[C],
        cost: impl Fn(&C) -> CellCost + Sync,
        work: impl Fn(&C) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        let costs: Vec<CellCost> = cells.iter().map(&cost).collect();
        self.progress.begin(&Ahead::new(name, costs.iter().cloned()));
        let cells: Vec<(&C, &CellCost)> = cells.iter().zip(&costs).collect();
        let done = for_each(self.workers, self.interrupt, &cells, |&(cell, cost)| {
            let began = Instant::now();
            self.progress.cell_begins(cost);
            let result = work(cell)?;
            self.progress.cell_ends(cost, began.elapsed());
            Ok(result)
        });
        self.progress.end();
        done
    }
}
