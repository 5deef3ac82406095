//! Errors with advice on what to do next: `error: ...`, then `help: ...`.

use std::error::Error;
use std::process::ExitCode;

/// An error that knows what the reader can do about it.
pub(crate) trait Advice: Error {
    /// Advice on what to do next, as one sentence without a full stop; empty if the message says
    /// it.
    fn help(&self) -> String;

    /// Further output that belongs to the error, line by line.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The error of a task that failed, of any type.
pub(crate) type Failure = Box<dyn Advice>;

impl<E: Advice + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Box::new(error)
    }
}

/// Prints `failure` to standard error, and returns its exit code.
pub(crate) fn report(failure: &dyn Advice) -> ExitCode {
    eprintln!("error: {failure}");
    let mut source = failure.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    for line in failure.details() {
        eprintln!("  {line}");
    }
    let help = failure.help();
    if !help.is_empty() {
        eprintln!("help: {help}");
    }
    ExitCode::FAILURE
}
