//! Three carts that rejoin: the shopping sample app.

mod args;
mod demo;
mod driver;
mod failure;
mod look;
mod replay;
mod shop;

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, ReplicaArgs, Task};
use crate::failure::{Advice, Failure};
use crate::shop::CartShop;

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure::report(failure.as_ref()),
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Stopped::NoRuntime)?;
    let done = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Err(Stopped::Interrupted.into()),
            done = start(task) => done,
        }
    });
    // The thread that reads a child's standard input cannot be woken, so it is not waited for.
    runtime.shutdown_background();
    done
}

async fn start(task: Task) -> Result<(), Failure> {
    match task {
        Task::Replay(args) => replay::run(&args).await,
        Task::Conflicts(args) => look::conflicts::run(&args),
        Task::History(args) => look::history::run(&args),
        Task::Replica(args) => keep_shop(&args).await,
        Task::Demo(args) => demo::run(args.dir.as_deref()).await,
    }
}

/// Keeps one shop for the driver, until the driver is gone.
async fn keep_shop(args: &ReplicaArgs) -> Result<(), Failure> {
    let shop = CartShop::open(args)?;
    driver::replica::serve(shop, tokio::io::stdin(), tokio::io::stdout()).await;
    Ok(())
}

/// The reason why nothing was done.
#[derive(Debug)]
#[non_exhaustive]
enum Stopped {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The runtime for input and output did not start.
    NoRuntime(io::Error),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::Interrupted => "interrupted",
            Stopped::NoRuntime(_) => "cannot start",
        })
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Stopped::NoRuntime(source) => Some(source),
            Stopped::Interrupted => None,
        }
    }
}

impl Advice for Stopped {
    fn help(&self) -> String {
        match self {
            Stopped::Interrupted => "run it again; a --dir has to be a new one",
            Stopped::NoRuntime(_) => "free some memory or file descriptors and run it again",
        }
        .to_owned()
    }
}
