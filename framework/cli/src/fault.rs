//! Panics of bertillon itself: a short message and its own exit code.

use std::{
    any::Any,
    panic,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use crate::{failure::FAULT, output};

/// Message and place of the last panic.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Keeps quiet about panics, which a run catches when a plugin's, and remembers where they were.
pub(crate) fn watch() {
    panic::set_hook(Box::new(|panic| {
        let message = message(panic.payload());
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::debug!("panic at {place}: {message}");
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((message, place));
    }));
}

/// Tells of a panic that nobody caught.
pub(crate) fn report(payload: &(dyn Any + Send)) -> ExitCode {
    let message = message(payload);
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Panics of plugins may have come in between.
    let place = last.filter(|(last, _)| *last == message).map(|(_, place)| format!(", at {place}"));
    output::say(&format!(
        "a fault of bertillon itself: {message}{}\nplease report it with the command and the suite; what is in the \
         cache is not lost",
        place.unwrap_or_default()
    ));
    ExitCode::from(FAULT)
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_of_either_form_have_a_message() {
        assert_eq!(message(&"index out of range"), "index out of range");
        assert_eq!(message(&String::from("formatted")), "formatted");
        assert_eq!(message(&7_u8), "a panic without a message");
    }
}
