//! Faults of bertillon itself, panics among them: a short message, a report in a file, and their own exit code.

use std::{
    any::Any,
    backtrace::Backtrace,
    env,
    fmt::Write as _,
    io::{self, Write as _},
    panic,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use crate::{failure::FAULT, output};

/// The last panic.
static LAST: Mutex<Option<Panic>> = Mutex::new(None);

struct Panic {
    message: String,
    place: String,
    backtrace: Backtrace,
}

/// Keeps quiet about panics, which a run catches when a plugin's, and remembers where they were.
pub(crate) fn watch() {
    panic::set_hook(Box::new(|panic| {
        let message = message(panic.payload());
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::debug!("panic at {place}: {message}");
        let panic = Panic { message, place, backtrace: Backtrace::force_capture() };
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
    }));
}

/// Tells of a panic that nobody caught.
pub(crate) fn report(payload: &(dyn Any + Send)) -> ExitCode {
    let message = message(payload);
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Panics of plugins may have come in between.
    let last = last.filter(|last| last.message == message);
    let place = last.as_ref().map(|last| last.place.as_str());
    let trace = last.as_ref().map(|last| last.backtrace.to_string());
    output::say(&told(&message, place, trace.as_deref()));
    ExitCode::from(FAULT)
}

/// What is said of a fault, once its report is written.
pub(crate) fn told(message: &str, place: Option<&str>, trace: Option<&str>) -> String {
    let at = place.map(|place| format!(", at {place}")).unwrap_or_default();
    let rest = match written(message, place, trace) {
        Ok(path) => format!("send {} (read it first) and the suite", path.display()),
        Err(error) => format!("send the command and the suite (no report can be written: {error})"),
    };
    format!(
        "a fault of bertillon itself: {message}{at}\nplease report it: {rest}; what is in the cache is not lost"
    )
}

/// Writes all that is known of a fault into the folder for temporary files.
fn written(message: &str, place: Option<&str>, trace: Option<&str>) -> io::Result<PathBuf> {
    let words: Vec<String> = env::args_os().map(|word| format!("{word:?}")).collect();
    let mut text = format!("bertillon {}\n", env!("CARGO_PKG_VERSION"));
    let folder = env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default();
    for (name, value) in [
        ("source", bertillon::SOURCE_DIGEST),
        ("what", message),
        ("where", place.unwrap_or("not known")),
        ("command", &words.join(" ")),
        ("in", &folder),
        ("on", &format!("{} {}", env::consts::OS, env::consts::ARCH)),
        ("called from", trace.unwrap_or("not known")),
    ] {
        // Nothing fails that is written to memory.
        let _ = writeln!(text, "{name}: {value}");
    }
    let file = tempfile::Builder::new().prefix("bertillon-fault-").suffix(".txt").tempfile()?;
    file.as_file().write_all(text.as_bytes())?;
    let (_, path) = file.keep().map_err(|error| error.error)?;
    Ok(path)
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, panic::catch_unwind};

    use super::*;

    #[test]
    fn panics_of_either_form_have_a_message() {
        assert_eq!(message(&"index out of range"), "index out of range");
        assert_eq!(message(&String::from("formatted")), "formatted");
        assert_eq!(message(&7_u8), "a panic without a message");
    }

    #[test]
    fn a_report_says_what_where_which_version_and_by_which_command() {
        let before = panic::take_hook();
        watch();
        let payload = catch_unwind(|| panic!("out of luck")).unwrap_err();
        panic::set_hook(before);
        let last = LAST.lock().unwrap().take().unwrap();
        assert_eq!(last.message, message(&*payload));
        let said = told(&last.message, Some(&last.place), Some("main"));
        let path = said.split("send ").nth(1).unwrap().split(" (read").next().unwrap();
        let text = fs::read_to_string(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(said.starts_with("a fault of bertillon itself: out of luck, at "), "{said}");
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line("bertillon "), concat!("bertillon ", env!("CARGO_PKG_VERSION")));
        assert_eq!(line("what: "), "what: out of luck");
        assert!(line("where: ").contains("fault.rs:"), "{text}");
        let program = env::args().next().unwrap();
        assert!(line("command: ").contains(&program), "{text}");
        assert_eq!(line("called from: "), "called from: main");
    }
}
