//! One replica as a child process of this very program.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::{self, Command};

use crate::driver::child_error::ChildError;
use crate::driver::conversation::Conversation;

/// Maximum number of lines of a child's standard error that are shown when it fails.
const LAST_WORDS: usize = 12;

/// The way to start a replica, the first time and again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program that has the command `replica`.
    pub(crate) program: PathBuf,
    /// The name of the replica.
    pub(crate) name: String,
    /// Its store file.
    pub(crate) store: PathBuf,
    /// The file that takes its standard error.
    pub(crate) log: PathBuf,
    /// The spaces to join when the store does not hold them yet; none if it creates them.
    pub(crate) tickets: Vec<String>,
    /// It keeps a catalogue of products beside the carts.
    pub(crate) catalogue: bool,
}

/// A running replica; dropping it kills it.
pub(crate) struct Child {
    process: process::Child,
    conversation: Arc<Conversation>,
}

impl Launch {
    /// Starts the process.
    ///
    /// # Errors
    /// [`ChildError::NotStarted`].
    pub(crate) fn spawn(&self) -> Result<Child, ChildError> {
        self.try_spawn()
            .map_err(|source| ChildError::NotStarted { name: self.name.clone(), source })
    }

    fn try_spawn(&self) -> io::Result<Child> {
        let mut process = self.command()?.spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let conversation = Arc::new(Conversation::start(&self.name, stdout, stdin));
        Ok(Child { process, conversation })
    }

    fn command(&self) -> io::Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("replica").arg("--store").arg(&self.store).args(["--name", &self.name]);
        self.tickets.iter().for_each(|ticket| _ = command.args(["--join", ticket]));
        if self.catalogue {
            command.arg("--catalogue");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    /// Adds the last lines of the child's standard error to the error that it has ended.
    pub(crate) fn explain(&self, error: ChildError) -> ChildError {
        match error {
            ChildError::Ended { name } => ChildError::Failed { name, log: self.last_words() },
            other => other,
        }
    }

    fn last_words(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(LAST_WORDS);
        lines.into_iter().skip(skipped).map(str::to_owned).collect()
    }
}

impl Child {
    /// Returns the conversation with it.
    pub(crate) fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    /// Kills it with SIGKILL, now; replies that have not been read stay unknown.
    pub(crate) async fn kill_now(&mut self) {
        self.conversation.stop_listening();
        // An error means that it is gone already.
        let _ = self.process.kill().await;
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) {
        let _ = self.process.wait().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::driver::child_protocol::{Command, Reply};
    use crate::driver::conversation::Outcome;

    /// A replica that is a shell script. Another process writes it: a file that this one has open
    /// for writing, and that a thread inherits by forking at that moment, cannot be started.
    fn script(body: &str) -> (TempDir, Launch) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("fake");
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#])
            .arg(&program)
            .arg(body)
            .status();
        assert!(written.unwrap().success());
        let launch = Launch {
            program,
            name: "north".to_owned(),
            store: dir.path().join("north.rejoin"),
            log: dir.path().join("north.log"),
            tickets: vec!["lineage".to_owned(), "other".to_owned()],
            catalogue: true,
        };
        (dir, launch)
    }

    #[tokio::test]
    async fn a_child_is_told_its_store_name_and_tickets() {
        let (dir, launch) = script(r#"read l; echo "{\"id\":1,\"ok\":{\"digest\":\"$*\"}}""#);
        let child = launch.spawn().unwrap();
        let reply = child.conversation().ask(Command::Digest).await.unwrap();
        let store = dir.path().join("north.rejoin");
        let expected = format!(
            "replica --store {} --name north --join lineage --join other --catalogue",
            store.display()
        );
        assert_eq!(reply, Reply::Digest(expected));
    }

    #[tokio::test]
    async fn a_killed_child_leaves_its_outcomes_unknown() {
        let (_dir, launch) = script("read l; exec sleep 1000");
        let mut child = launch.spawn().unwrap();
        let posted = child.conversation().post(Command::Digest).await;
        child.kill_now().await;
        assert_eq!(posted.outcome().await.unwrap(), Outcome::Unknown);
    }

    #[tokio::test]
    async fn the_last_words_of_a_child_that_failed_are_shown_under_its_name() {
        let (_dir, launch) = script("i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo w$i >&2; done");
        let mut child = launch.spawn().unwrap();
        let error = child.conversation().ask(Command::Digest).await.unwrap_err();
        child.ended().await;
        let details = crate::failure::Advice::details(&launch.explain(error));
        assert_eq!(details.len(), LAST_WORDS);
        assert_eq!(details.last().unwrap(), "north: w20");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let (_dir, mut launch) = script("");
        launch.program.push("no-such-program");
        let error = launch.spawn().err().unwrap();
        assert_eq!(error.to_string(), "cannot start replica north");
    }
}
