//! The cost of N idle spaces between two processes.
//!
//! ```text
//! cargo run --release -p rejoin-node --example idle_spaces -- 1000
//! ```
//!
//! This process listens, and starts itself once more to dial. Both report how much memory a space
//! takes, and how much of a core the idle process takes over ten seconds, as Linux counts it.

use std::env;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rejoin_crdts::{OrMap, PnCounter};
use rejoin_node::{Node, Report};
use rejoin_replica::{Space, Store, Ticket};

type Lines = OrMap<String, PnCounter>;
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Clock ticks of `/proc`, per second: fixed in Linux's interface to programs.
const TICKS: f64 = 100.0;
const IDLE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments[..] {
        [tickets, address] => runtime.block_on(dial(tickets, address.parse()?)),
        [count] => runtime.block_on(listen(count.parse()?)),
        _ => runtime.block_on(listen(1000)),
    }
}

async fn listen(count: usize) -> Outcome<()> {
    let store = Store::memory()?;
    let before = resident();
    let node = Node::new(tell);
    let mut spaces = Vec::new();
    for number in 0..count {
        let space = store.create_space::<Lines>(&format!("list {number}"))?;
        space.transact(|tx| tx.object("alice").entry("apples").add(1))?;
        node.share(&space.link())?;
        spaces.push(space);
    }
    let address = node.listen("127.0.0.1:0".parse()?).await?;
    let directory = env::temp_dir().join(format!("idle-spaces-{}", std::process::id()));
    let tickets: Vec<String> = spaces.iter().map(|space| space.ticket().to_string()).collect();
    fs::write(&directory, tickets.join("\n"))?;
    let mut child = Command::new(env::current_exe()?)
        .arg(&directory)
        .arg(address.to_string())
        .stdin(Stdio::null())
        .spawn()?;
    let all = || spaces.iter().all(|space| space.link().connected().is_ok_and(|c| c.len() == 1));
    let started = Instant::now();
    while !all() && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    measure("listener", &spaces, before, all()).await;
    child.wait()?;
    fs::remove_file(directory)?;
    Ok(())
}

async fn dial(tickets: &str, address: SocketAddr) -> Outcome<()> {
    let store = Store::memory()?;
    let before = resident();
    let node = Node::new(tell);
    let (mut spaces, mut dials) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for (number, ticket) in fs::read_to_string(tickets)?.lines().enumerate() {
        let ticket: Ticket = ticket.parse()?;
        let space = store.join_space::<Lines>(&format!("list {number}"), &ticket)?;
        node.share(&space.link())?;
        dials.extend(node.connect(&space.link(), address));
        spaces.push(space);
    }
    let arrived = |space: &Space<Lines>| {
        space.object("alice").at("apples").value().is_ok_and(|count| count == 1)
    };
    let all = || spaces.iter().all(arrived);
    while !all() && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let there = spaces.iter().filter(|space| arrived(space)).count();
    println!("dialler: {there} of {} arrived in {:?}", spaces.len(), started.elapsed());
    measure("dialler", &spaces, before, all()).await;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "a node hands its reports over")]
fn tell(report: Report) {
    if !matches!(report, Report::Connected { .. }) {
        eprintln!("{report}");
    }
}

async fn measure(who: &str, spaces: &[Space<Lines>], before: u64, all: bool) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = resident().saturating_sub(before) * 1024 / spaces.len().max(1) as u64;
    let ticks = cpu_ticks();
    tokio::time::sleep(IDLE).await;
    let share = (cpu_ticks() - ticks) / TICKS / IDLE.as_secs_f64() * 100.0;
    println!(
        "{who}: {} spaces, all in touch: {all}, idle: {share:.2} % of a core, {memory} bytes each",
        spaces.len()
    );
}

/// Returns the memory in use, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Returns the time that all threads have spent on a core so far.
fn cpu_ticks() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |at: usize| after.split_whitespace().nth(at).and_then(|t| t.parse::<f64>().ok());
    ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)
}
