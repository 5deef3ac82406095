//! Child processes: this program once more, with what it says line by line.

use std::io::{BufRead, BufReader, Lines, Result, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a child says, until it ends or is killed.
pub(crate) type Said = Lines<BufReader<ChildStdout>>;

/// Makes the command for a child.
pub(crate) fn child(name: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Starts a child.
pub(crate) fn start(command: &mut Command) -> Result<(Child, Said)> {
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
    Ok((child, BufReader::new(output).lines()))
}

/// Says a line to the parent, in one write: a kill leaves all of it or nothing.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush())
}
