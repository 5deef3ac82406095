//! `cart demo`: three regions are cut off from each other, go on selling, and come back together.
//!
//! The script contains only what each region does. The results, the decisions and their rules are
//! printed as the replicas report them.

mod story;

use std::fmt;
use std::time::{Duration, Instant};

use crate::demo::story::{Names, list_carts, list_decisions};
use crate::driver::child_error::ChildError;
use crate::driver::child_protocol::{CartState, Command, Edit, Reply};
use crate::driver::cluster::Cluster;
use crate::driver::conversation::Outcome;
use crate::driver::link::Link;
use crate::driver::workspace_dir::WorkspaceDir;
use crate::failure::{Advice, Failure};

const REGIONS: [&str; 3] = ["north", "south", "west"];
const NORTH: usize = 0;
const SOUTH: usize = 1;
const WEST: usize = 2;
/// Maximum time without any news between healed regions, after which they are given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between sending the transaction in flight and killing the process.
const KILL_AFTER: Duration = Duration::from_millis(20);

/// Plays the demo; the last line on standard output is the figure.
///
/// # Errors
/// Any error, with advice on what to do next.
pub(crate) async fn run() -> Result<(), Failure> {
    let started = Instant::now();
    let workspace = WorkspaceDir::open(None)?;
    let names: Vec<String> = REGIONS.map(str::to_owned).to_vec();
    let program = std::env::current_exe().map_err(|error| Stuck(error.to_string()))?;
    let mut cluster = Cluster::start(program, &workspace, &names).await?;
    say("Three regions of a shop: north, south and west. Three processes, a store file each.");

    together(&cluster).await?;
    let links: Vec<Link> = Link::all(REGIONS.len()).collect();
    cluster.cut(&links);
    say("\nThe links between them are cut: bytes vanish in mid-frame, and nobody is told.");
    apart(&mut cluster).await?;
    show_apart(&cluster).await?;

    cluster.heal(&links);
    let healed = Instant::now();
    let together_again = cluster.converge(PATIENCE).await?;
    say(&format!("\nThe links carry again; {} ms later:", healed.elapsed().as_millis()));
    show_merged(&cluster).await?;

    let digests = cluster.close().await?;
    say(&format!("\nEvery store closed and opened again, {:.1} s in all.", seconds(started)));
    let first = digests.first().cloned().unwrap_or_default();
    let agreed = digests.iter().filter(|digest| **digest == first).count();
    say(&format!("converged {agreed} of {} {first}", digests.len()));
    if together_again && agreed == digests.len() {
        Ok(())
    } else {
        Err(Stuck(format!("the digests are {}", digests.join(", "))).into())
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Prints a line. An error is ignored: whoever closed standard output has seen enough.
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn add(code: &str, quantity: i64) -> Edit {
    Edit::Add(code.to_owned(), quantity)
}

fn remove(code: &str) -> Edit {
    Edit::Remove(code.to_owned())
}

fn note(text: &str) -> Edit {
    Edit::Note(text.to_owned())
}

/// Prints what a region does, has it done, and waits until it is durable.
async fn act(
    cluster: &Cluster,
    region: usize,
    customer: &str,
    edits: Vec<Edit>,
) -> Result<(), Failure> {
    say(&format!("  {:<5} {customer}: {}", REGIONS[region], described(&edits)));
    let command = Command::Transact { key: None, customer: customer.to_owned(), edits };
    match cluster.ask(region, command).await? {
        Reply::Receipt { durable: true, .. } => Ok(()),
        other => Err(cluster.seat(region).astray(other).into()),
    }
}

fn described(edits: &[Edit]) -> String {
    let one = |edit: &Edit| match edit {
        Edit::Add(code, quantity) => format!("{quantity:+} {code}"),
        Edit::Remove(code) => format!("removes {code}"),
        Edit::Clear => "clears the cart".to_owned(),
        Edit::Note(text) => format!("notes {text:?}"),
    };
    edits.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Makes the changes that everybody knows before the links are cut.
async fn together(cluster: &Cluster) -> Result<(), Failure> {
    say("\nWhile they are in touch:");
    act(cluster, NORTH, "alice", vec![add("apples", 5), add("pears", 2)]).await?;
    act(cluster, SOUTH, "bob", vec![add("tea", 3), note("ring the bell")]).await?;
    if cluster.converge(PATIENCE).await? {
        Ok(())
    } else {
        Err(Stuck("the regions never came into touch".to_owned()).into())
    }
}

/// Makes the changes of each region while it is cut off.
async fn apart(cluster: &mut Cluster) -> Result<(), Failure> {
    say("\nEach goes on selling, alone:");
    act(cluster, NORTH, "alice", vec![remove("pears")]).await?;
    act(cluster, SOUTH, "alice", vec![add("pears", 3)]).await?;
    act(cluster, NORTH, "alice", vec![add("apples", 2)]).await?;
    act(cluster, WEST, "alice", vec![add("apples", -1)]).await?;
    act(cluster, NORTH, "bob", vec![note("leave it at the back door")]).await?;
    act(cluster, SOUTH, "bob", vec![note("ring twice")]).await?;
    act(cluster, WEST, "bob", vec![Edit::Clear]).await?;
    act(cluster, NORTH, "bob", vec![add("tea", 1), add("honey", 1)]).await?;
    act(cluster, WEST, "carol", vec![add("lamps", 1)]).await?;
    kill_in_the_middle(cluster).await
}

/// Kills west with a transaction in flight: the driver does not know its outcome, and sends it
/// again under the same key.
async fn kill_in_the_middle(cluster: &mut Cluster) -> Result<(), Failure> {
    let edits = vec![add("candles", 4)];
    say(&format!("  west  carol: {}  <- killed with SIGKILL in the middle", described(&edits)));
    let key = Some("carol's candles".to_owned());
    let command = Command::Transact { key, customer: "carol".to_owned(), edits };
    let posted = cluster.kill_in_flight(WEST, command.clone(), KILL_AFTER).await?;
    let outcome = cluster.seat(WEST).outcome(posted).await?;
    if outcome == Outcome::Unknown {
        say("        started again on the same store file; was it stored? Sent again, same key:");
    }
    match cluster.ask(WEST, command).await? {
        Reply::Receipt { repeated: true, .. } => say("        west: stored before, counted once"),
        Reply::Receipt { repeated: false, .. } => say("        west: not stored before; now it is"),
        other => return Err(cluster.seat(WEST).astray(other).into()),
    }
    Ok(())
}

async fn carts(cluster: &Cluster, region: usize) -> Result<Vec<(String, CartState)>, ChildError> {
    cluster.carts(region).await
}

async fn show_apart(cluster: &Cluster) -> Result<(), Failure> {
    say("\nWhat each of them holds now:");
    for (region, name) in REGIONS.iter().enumerate() {
        say(&list_carts(&format!("  {name:<5} "), &carts(cluster, region).await?));
    }
    Ok(())
}

async fn show_merged(cluster: &Cluster) -> Result<(), Failure> {
    for (region, name) in REGIONS.iter().enumerate() {
        say(&list_carts(&format!("  {name:<5} "), &carts(cluster, region).await?));
    }
    say("\nWhat was decided, as the replicas report it:");
    let names = who_is_who(cluster).await?;
    let mut reports = Vec::new();
    for (region, name) in REGIONS.iter().enumerate() {
        match cluster.ask(region, Command::Conflicts).await? {
            Reply::Conflicts(sentences) => reports.push(((*name).to_owned(), sentences)),
            other => return Err(cluster.seat(region).astray(other).into()),
        }
    }
    say(&list_decisions(&reports, &names));
    Ok(())
}

/// Maps the replica ids to the names of the regions.
async fn who_is_who(cluster: &Cluster) -> Result<Names, Failure> {
    let mut names = Names::default();
    for (region, name) in REGIONS.iter().enumerate() {
        match cluster.ask(region, Command::Identity).await? {
            Reply::Identity { replica, .. } => names.add(&replica, name),
            other => return Err(cluster.seat(region).astray(other).into()),
        }
    }
    Ok(names)
}

/// The regions did not come together.
#[derive(Debug)]
struct Stuck(String);

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the regions did not come together: {}", self.0)
    }
}

impl std::error::Error for Stuck {}

impl Advice for Stuck {
    fn help(&self) -> String {
        "this is a bug, unless the machine is overloaded: run it again, and report what it prints"
            .to_owned()
    }
}
