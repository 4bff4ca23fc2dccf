//! `bertillon` on the command line.

mod commands;
mod device;
mod failure;
mod fault;
mod output;
mod progress;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

// A crate of plugins that nothing names is dropped by the linker, and its plugins with it.
use bertillon_command as _;
use bertillon_datasets as _;
use bertillon_methods as _;
use bertillon_selectors as _;
use bertillon_variants as _;
use clap::Parser as _;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use failure::{Failure, Outcome};

fn main() -> ExitCode {
    fault::watch();
    catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|panic| fault::report(&*panic))
}

fn program() -> ExitCode {
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help may go into a pipe that nobody reads to its end.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USER));
        }
    };
    let format = cli.error_format;
    match log().and_then(|()| cli.command.run()) {
        Ok(Outcome::SomeAbandoned) => failure::leave_at_once(failure::SOME_FAILED),
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(format),
    }
}

fn log() -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_env_var("BERTILLON_LOG")
        .with_default_directive(LevelFilter::WARN.into())
        .from_env()
        .map_err(|error| Failure::User(format!("BERTILLON_LOG: {error}")))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
