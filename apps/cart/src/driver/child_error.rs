//! Errors in dealing with a child process.

use std::fmt;
use std::io;

use crate::driver::child_protocol::{Refusal, Reply};
use crate::failure::Advice;

/// The reason why a child did not do what it was asked to do.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ChildError {
    /// It could not be started.
    NotStarted { name: String, source: io::Error },
    /// It ended although nobody killed it.
    Ended { name: String },
    /// It ended with these last lines on its standard error.
    Failed { name: String, log: Vec<String> },
    /// It has not answered for a long time.
    Silent { name: String, seconds: u64 },
    /// It wrote something that is not a response.
    Garbled { name: String, line: String },
    /// It gave an answer that does not belong to the request.
    Astray { name: String, reply: Box<Reply> },
    /// It refused, and gave a reason.
    Refused { name: String, refusal: Refusal },
    /// There is no port for a link to it.
    NoLink { name: String, source: io::Error },
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildError::NotStarted { name, .. } => write!(f, "cannot start replica {name}"),
            ChildError::Ended { name } | ChildError::Failed { name, .. } => {
                write!(f, "replica {name} has ended")
            }
            ChildError::Silent { name, seconds } => {
                write!(f, "replica {name} has not answered for {seconds} s")
            }
            ChildError::Garbled { name, line } => {
                write!(f, "replica {name} said what is no reply: {line}")
            }
            ChildError::Astray { name, reply } => {
                write!(f, "replica {name} answered another question: {reply:?}")
            }
            ChildError::Refused { name, refusal } => {
                write!(f, "replica {name} refused: {}", refusal.message)
            }
            ChildError::NoLink { name, .. } => write!(f, "no port for a link to replica {name}"),
        }
    }
}

impl std::error::Error for ChildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ChildError::NotStarted { source, .. } | ChildError::NoLink { source, .. } => {
                Some(source)
            }
            ChildError::Ended { .. }
            | ChildError::Failed { .. }
            | ChildError::Silent { .. }
            | ChildError::Garbled { .. }
            | ChildError::Astray { .. }
            | ChildError::Refused { .. } => None,
        }
    }
}

impl Advice for ChildError {
    fn help(&self) -> String {
        match self {
            ChildError::NotStarted { .. } | ChildError::NoLink { .. } => {
                "free some memory, processes or ports and run it again".to_owned()
            }
            ChildError::Refused { refusal, .. } => refusal.help.clone(),
            ChildError::Ended { .. }
            | ChildError::Failed { .. }
            | ChildError::Silent { .. }
            | ChildError::Garbled { .. }
            | ChildError::Astray { .. } => {
                "run it again with --dir to keep the stores and what the replicas have to say"
                    .to_owned()
            }
        }
    }

    fn details(&self) -> Vec<String> {
        let ChildError::Failed { name, log } = self else { return Vec::new() };
        log.iter().map(|line| format!("{name}: {line}")).collect()
    }
}
