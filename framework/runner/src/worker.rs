//! Doing many cells on several threads, each on its own if it fails.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bertillon::{ImageShape, Mode, Model, Parameter, guard};
use tch::{Device, Tensor};

use crate::{Interrupt, Options, RunError, plan::Plan};

/// Works on `cells` with all threads of `pool`, in their order, and gives back a result for each.
///
/// # Errors
/// The first error of a cell, which stops the others; or [`RunError::Interrupted`].
pub(crate) fn for_each<C: Sync, T: Send>(
    pool: &rayon::ThreadPool,
    interrupt: &Interrupt,
    cells: &[C],
    work: impl Fn(&C) -> Result<T, RunError> + Sync,
) -> Result<Vec<T>, RunError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<T>>> = Mutex::new(cells.iter().map(|_| None).collect());
    let failed: Mutex<Option<RunError>> = Mutex::new(None);
    pool.broadcast(|_| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(index) else { break };
            if interrupt.is_set() {
                break;
            }
            match work(cell) {
                Ok(result) => done.lock().expect("no cell panics")[index] = Some(result),
                Err(error) => {
                    failed.lock().expect("no cell panics").get_or_insert(error);
                    next.store(cells.len(), Ordering::Relaxed);
                }
            }
        }
    });
    if let Some(error) = failed.into_inner().expect("no cell panics") {
        return Err(error);
    }
    if interrupt.is_set() {
        return Err(RunError::Interrupted);
    }
    Ok(done.into_inner().expect("no cell panics").into_iter().flatten().collect())
}

/// Runs a plugin's code; its errors and panics become a reason in words.
pub(crate) fn guarded<T>(work: impl FnOnce() -> bertillon::Result<T>) -> Result<T, String> {
    guard::catch(work).map_err(|error| with_causes(&error))
}

/// What the threads of a cell need to go on by themselves, should the cell be abandoned: they own or share it all.
#[derive(Clone)]
pub(crate) struct Site {
    plan: Arc<Plan>,
    device: Device,
    interrupt: Interrupt,
    /// Set when the cell is abandoned: its models answer no more, so that its thread ends soon.
    expired: Interrupt,
    timeout: Option<Duration>,
    abandoned: Arc<AtomicU64>,
}

impl Site {
    /// For one cell of a run of `plan`; `abandoned` counts those that are.
    pub(crate) fn new(plan: &Arc<Plan>, options: &Options, abandoned: &Arc<AtomicU64>) -> Self {
        Self {
            plan: plan.clone(),
            device: options.device,
            interrupt: options.interrupt.clone(),
            expired: Interrupt::default(),
            timeout: options.cell_timeout,
            abandoned: abandoned.clone(),
        }
    }

    /// The plan of the run.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where to compute.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// A fresh copy of a vanilla's network.
    pub(crate) fn network(&self, family: usize) -> bertillon::Result<Box<dyn Model>> {
        Ok(self.interruptible(self.plan.collection.load(family, self.device)?))
    }

    /// A fresh copy of a vanilla as its service runs it.
    pub(crate) fn vanilla(&self, family: usize) -> bertillon::Result<Box<dyn Model>> {
        self.served(family, self.plan.collection.load(family, self.device)?)
    }

    /// A network as the service of this family runs it, which answers no more when the run is interrupted or the cell
    /// abandoned.
    pub(crate) fn served(
        &self,
        family: usize,
        network: Box<dyn Model>,
    ) -> bertillon::Result<Box<dyn Model>> {
        Ok(self.interruptible(self.plan.served(family, network)?))
    }

    fn interruptible(&self, model: Box<dyn Model>) -> Box<dyn Model> {
        let stops = [self.interrupt.clone(), self.expired.clone()];
        Box::new(Interruptible { inner: model, stops })
    }

    /// Runs a plugin's code as [`guarded`], and waits no longer than a cell may take.
    pub(crate) fn limited<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> bertillon::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let Some(timeout) = self.timeout else {
            return guarded(|| work(self));
        };
        let (sender, receiver) = mpsc::channel();
        let site = self.clone();
        let run = move || {
            // Nobody listens any more when it took too long.
            drop(sender.send(guarded(|| work(&site))));
        };
        thread::Builder::new()
            .name("cell".to_owned())
            .spawn(run)
            .map_err(|error| format!("no thread can be started: {error}"))?;
        receiver.recv_timeout(timeout).unwrap_or_else(|_| {
            self.expired.set();
            self.abandoned.fetch_add(1, Ordering::Relaxed);
            let seconds = timeout.as_secs_f64();
            Err(format!("took longer than {seconds} s (--cell-timeout) and was abandoned"))
        })
    }
}

/// An error with its causes, on one line: libtorch appends its C++ frames to what it says.
pub(crate) fn with_causes(error: &bertillon::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

/// A model that stops answering when any of its flags is set, so that long cells end soon.
struct Interruptible {
    inner: Box<dyn Model>,
    stops: [Interrupt; 2],
}

impl Interruptible {
    fn wrap(&self, inner: Box<dyn Model>) -> Box<dyn Model> {
        Box::new(Self { inner, stops: self.stops.clone() })
    }
}

impl Model for Interruptible {
    fn input(&self) -> ImageShape {
        self.inner.input()
    }

    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> bertillon::Result<Tensor> {
        if self.stops.iter().any(Interrupt::is_set) {
            return Err(bertillon::Error::Refused("interrupted".to_owned()));
        }
        self.inner.logits(images, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn fork(&self) -> bertillon::Result<Box<dyn Model>> {
        Ok(self.wrap(self.inner.fork()?))
    }

    fn to_half(&self) -> bertillon::Result<Option<Box<dyn Model>>> {
        Ok(self.inner.to_half()?.map(|half| self.wrap(half)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_reason_with_its_place() {
        let reason = guarded::<()>(|| panic!("out of luck\nwith details")).unwrap_err();
        assert!(reason.starts_with("panicked: out of luck (at "), "{reason}");
        assert!(reason.contains("worker.rs:"), "{reason}");
    }

    #[test]
    fn results_stand_in_the_order_of_the_cells_whatever_the_threads() {
        let cells: Vec<usize> = (0..100).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let doubled =
                for_each(&pool, &Interrupt::default(), &cells, |&cell| Ok(cell * 2)).unwrap();
            assert_eq!(doubled, cells.iter().map(|c| c * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_interrupted_run_says_so() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let interrupt = Interrupt::default();
        let outcome = for_each(&pool, &interrupt, &[1, 2], |_| {
            interrupt.set();
            Ok(())
        });
        assert!(matches!(outcome, Err(RunError::Interrupted)));
    }
}
