//! Doing many cells on several threads, each on its own if it fails.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    error::Error as _,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use bertillon::{ImageShape, Mode, Model, Parameter};
use tch::Tensor;

use crate::{Interrupt, RunError};

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
    catch_quietly();
    IN_PLUGIN.set(IN_PLUGIN.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    IN_PLUGIN.set(IN_PLUGIN.get() - 1);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(with_causes(&error)),
        Err(payload) => {
            let place = PLACE.take();
            Err(format!("panicked: {}{place}", first_line(payload.as_ref())))
        }
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

fn first_line(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    text.lines().next().unwrap_or("no message").chars().take(300).collect()
}

thread_local! {
    static IN_PLUGIN: Cell<usize> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic inside a plugin is a failed cell, reported once at the end, not noise on standard error.
fn catch_quietly() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_PLUGIN.get() == 0 {
                return before(info);
            }
            let place = info.location().map(|at| format!(" (at {}:{})", at.file(), at.line()));
            PLACE.set(place.unwrap_or_default());
        }));
    });
}

/// A model that stops answering when the run is interrupted, so that long cells end soon.
pub(crate) struct Interruptible {
    inner: Box<dyn Model>,
    interrupt: Interrupt,
}

impl Interruptible {
    pub(crate) fn wrap(inner: Box<dyn Model>, interrupt: &Interrupt) -> Box<dyn Model> {
        Box::new(Self { inner, interrupt: interrupt.clone() })
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
        if self.interrupt.is_set() {
            return Err(bertillon::Error::Refused("interrupted".to_owned()));
        }
        self.inner.logits(images, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn fork(&self) -> bertillon::Result<Box<dyn Model>> {
        Ok(Self::wrap(self.inner.fork()?, &self.interrupt))
    }

    fn to_half(&self) -> bertillon::Result<Option<Box<dyn Model>>> {
        Ok(self.inner.to_half()?.map(|half| Self::wrap(half, &self.interrupt)))
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
