//! What goes wrong, said with what to do next: `error: ...`, then `help: ...`.

use std::error::Error;
use std::process::ExitCode;

/// An error that knows what the reader can do about it.
pub(crate) trait Advice: Error {
    /// What to do next, as one sentence without a full stop; empty when the message says it.
    fn help(&self) -> String;

    /// What others had to say about it, line by line.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The end of a task that failed, whatever failed in it.
pub(crate) type Failure = Box<dyn Advice>;

impl<E: Advice + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Box::new(error)
    }
}

/// Prints `failure` to standard error and gives the exit code for it.
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
