//! What the cells of a run share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bertillon::Answers;

use crate::{
    Interrupt, Options, Progress, RunError,
    cache::{Cache, Found},
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
            computed: AtomicU64::new(0),
            abandoned: Arc::default(),
        }
    }

    /// Answers computed so far.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// An object of the cache; a damaged one counts as missing, with a warning.
    pub(crate) fn cached<T>(&self, found: Found<T>) -> Option<T> {
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

    /// Whether a variant with these answers is accurate enough (Maho et al. 2022, eq. 1).
    pub(crate) fn keeps(&self, variant: &Answers, vanilla: &Answers) -> bool {
        let truth = &self.plan.pool.truth;
        let ratio = variant.accuracy(truth) / vanilla.accuracy(truth);
        ratio - 1.0 > -self.plan.suite.evaluation.max_accuracy_drop
    }

    /// Runs a step of the run with progress; `cost` weighs the cells in the estimate of what is left.
    pub(crate) fn step<C: Sync, T: Send>(
        &self,
        name: &str,
        cells: &[C],
        cost: impl Fn(&C) -> f64 + Sync,
        work: impl Fn(&C) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        self.progress.begin(name, cells.len() as u64, cells.iter().map(&cost).sum());
        let done = for_each(self.workers, self.interrupt, cells, |cell| {
            let result = work(cell)?;
            self.progress.advance(cost(cell));
            Ok(result)
        });
        self.progress.end();
        done
    }
}
