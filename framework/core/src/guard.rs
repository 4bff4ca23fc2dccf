//! Panics of plugins, caught where they happen.
//!
//! A panic that leaves a shared library aborts the program, and one that leaves a compiled-in plugin would end a worker.
//! So whatever is registered comes wrapped: every call, and the drop of every object, ends within the plugin's own
//! code, and a panic becomes an [`Error::Panicked`].

mod collections;
mod methods;
mod models;

use std::{
    any::Any,
    cell::{Cell, RefCell},
    mem,
    ops::Deref,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

pub(crate) use collections::{images, models};
pub(crate) use methods::{method, selector, variant};

use crate::{Error, Result};

/// Does `work`; a panic becomes an error with the first line of its message and its place.
///
/// Gradients are recorded afterwards where they were before: `tch::no_grad` does not see to it when it is unwound.
///
/// # Errors
/// Those of `work`, and [`Error::Panicked`].
pub fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    keep_quiet();
    let records = records_gradients();
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.unwrap_or_else(|payload| {
        record_gradients(records);
        let message = first_line(payload.as_ref());
        // Dropping it could panic again.
        mem::forget(payload);
        Err(Error::Panicked { message, place: PLACE.take() })
    })
}

/// An object of a plugin that is dropped with its panics caught; nobody is left to be told of them.
pub(crate) struct Contained<T: ?Sized>(Option<Box<T>>);

impl<T: ?Sized> Contained<T> {
    pub(crate) fn new(object: Box<T>) -> Self {
        Self(Some(object))
    }
}

impl<T: ?Sized> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held until it is dropped")
    }
}

impl<T: ?Sized> Drop for Contained<T> {
    fn drop(&mut self) {
        let object = self.0.take();
        drop(catch(|| {
            drop(object);
            Ok(())
        }));
    }
}

fn first_line(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    // tch panics with what libtorch said, C++ frames and all, in Rust's notation.
    if let Some((_, said)) = text.split_once("Torch(\"") {
        let said = said.trim_end_matches("\")").replace("\\n", "\n").replace("\\\"", "\"");
        return Error::torch(&said).to_string();
    }
    text.lines().next().unwrap_or("no message").chars().take(300).collect()
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic inside a plugin is a failed cell, reported once at the end, not noise on standard error.
fn keep_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                return before(info);
            }
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            PLACE.set(place.unwrap_or_default());
        }));
    });
}

fn records_gradients() -> bool {
    let records = set_gradients(true);
    if !records {
        set_gradients(false);
    }
    records
}

fn record_gradients(wanted: bool) {
    set_gradients(wanted);
}

/// Switches the recording of gradients on this thread, and tells how it was.
#[expect(unsafe_code, reason = "tch has no way to ask")]
fn set_gradients(wanted: bool) -> bool {
    // SAFETY: it sets a thread-local flag of libtorch, and neither takes nor gives a pointer.
    unsafe { torch_sys::at_grad_set_enabled(i32::from(wanted)) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_first_line_and_place() {
        let error = catch::<()>(|| panic!("out of luck\nwith details")).unwrap_err().to_string();
        assert!(error.starts_with("panicked: out of luck (at "), "{error}");
        assert!(error.contains("guard.rs:") && !error.contains("details"), "{error}");
    }

    #[test]
    fn what_libtorch_refuses_is_told_without_its_frames() {
        let vector = |length| tch::Tensor::zeros([length], tch::kind::FLOAT_CPU);
        let error = catch(|| Ok(vector(2).dot(&vector(3)))).unwrap_err().to_string();
        assert!(error.starts_with("panicked: libtorch: "), "{error}");
        assert!(error.contains('2') && error.contains('3'), "{error}");
        assert!(!error.contains("frame") && !error.contains("\\n"), "{error}");
        assert!(!error.contains("Exception raised"), "{error}");
    }

    #[test]
    fn an_error_or_a_value_passes_as_it_is() {
        assert_eq!(catch(|| Ok(7)).unwrap(), 7);
        let error = catch::<()>(|| Err(Error::Refused("no".into()))).unwrap_err();
        assert_eq!(error.to_string(), "no");
    }

    #[test]
    fn gradients_are_recorded_after_a_panic_as_before() {
        for before in [true, false] {
            set_gradients(before);
            let panicked = catch::<()>(|| tch::no_grad(|| panic!("within no_grad")));
            assert!(panicked.is_err());
            assert_eq!(records_gradients(), before);
        }
        set_gradients(true);
    }

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    #[test]
    fn a_panic_in_drop_or_with_a_payload_that_panics_in_drop_goes_no_further() {
        drop(Contained::new(Box::new(PanicsWhenDropped)));
        let error = catch::<()>(|| panic::panic_any(PanicsWhenDropped)).unwrap_err();
        assert!(error.to_string().starts_with("panicked: no message"), "{error}");
        // A contained object may be dropped while another panic unwinds.
        let error = catch::<()>(|| {
            let _held = Contained::new(Box::new(PanicsWhenDropped));
            panic!("first")
        });
        assert!(error.unwrap_err().to_string().starts_with("panicked: first"));
    }
}
