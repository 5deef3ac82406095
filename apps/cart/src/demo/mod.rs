//! `cart demo`: three regions are cut off from each other, go on selling, and come back together.
//!
//! The script contains only what each region does. The results, the decisions and their rules are
//! printed as the replicas report them.

mod second_thoughts;
mod story;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::demo::story::{list_carts, list_decisions, product_line};
use crate::driver::child_error::ChildError;
use crate::driver::child_protocol::{CartState, Command, Delivery, Edit, ProductEdit, Reply};
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
/// Time before each act. Stamps count milliseconds; of two in one, a replica's id decides.
const BETWEEN_ACTS: Duration = Duration::from_millis(2);
/// Time between sending the transaction in flight and killing the process.
const KILL_AFTER: Duration = Duration::from_millis(20);

/// The product that two regions change while they are apart.
const PRODUCT: &str = "tea";

/// Plays the demo, and keeps the stores in `dir` if one is given; the last line on standard output
/// is the figure.
///
/// # Errors
/// Any error, with advice on what to do next.
pub(crate) async fn run(dir: Option<&Path>) -> Result<(), Failure> {
    let started = Instant::now();
    let workspace = WorkspaceDir::open(dir)?;
    let names: Vec<String> = REGIONS.map(str::to_owned).to_vec();
    let program = std::env::current_exe().map_err(|error| Stuck(error.to_string()))?;
    let mut cluster = Cluster::start(program, &workspace, &names, true).await?;
    say("Three regions of a shop: north, south and west. Three processes, a store file each.");

    together(&cluster).await?;
    let links: Vec<Link> = Link::all(REGIONS.len()).collect();
    cluster.cut(&links);
    say("\nThe links between them are cut: bytes vanish in mid-frame, and nobody is told.");
    let slip = apart(&mut cluster).await?;
    show_apart(&cluster).await?;

    cluster.heal(&links);
    let healed = Instant::now();
    let together_again = cluster.converge(PATIENCE).await?;
    say(&format!("\nThe links carry again; {} ms later:", healed.elapsed().as_millis()));
    show_merged(&cluster).await?;
    second_thoughts::have(&cluster, slip).await?;

    let digests = cluster.close().await?;
    if let Some(dir) = dir {
        say(&format!(
            "\nThe stores are kept. Look into them: cart conflicts --dir {}",
            dir.display()
        ));
    }
    say(&format!("\nEvery store closed and opened again, {:.1} s in all.", seconds(started)));
    let first = digests.first().cloned().unwrap_or_default();
    let agreed = digests.iter().filter(|digest| **digest == first).count();
    // The catalogues have to agree, too; the carts' digest is the figure.
    let carts = first.split(' ').next().unwrap_or_default();
    say(&format!("converged {agreed} of {} {carts}", digests.len()));
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

fn delivery(shop: &str, km: u64, slot: &str) -> Edit {
    Edit::Delivery(Delivery { shop: shop.to_owned(), km, slot: slot.to_owned() })
}

/// Prints what a region does to a cart, has it done, and waits until it is durable. Returns the
/// receipt.
async fn act(
    cluster: &Cluster,
    region: usize,
    customer: &str,
    edits: Vec<Edit>,
) -> Result<String, Failure> {
    say(&format!("  {:<5} {customer}: {}", REGIONS[region], described(&edits)));
    let (author, customer) = (Some(REGIONS[region].to_owned()), customer.to_owned());
    done(cluster, region, Command::Transact { key: None, author, customer, edits }).await
}

/// Prints what a region does to the product, has it done, and waits until it is durable.
async fn sell(cluster: &Cluster, region: usize, edits: Vec<ProductEdit>) -> Result<(), Failure> {
    let one = |edit: &ProductEdit| match edit {
        ProductEdit::Description(text) => format!("described as {:?}", text.replace('\n', " / ")),
        ProductEdit::Price(cents) => format!("costs {cents} cents"),
    };
    let told = edits.iter().map(one).collect::<Vec<_>>().join(", ");
    say(&format!("  {:<5} product {PRODUCT}: {told}", REGIONS[region]));
    let (author, product) = (REGIONS[region].to_owned(), PRODUCT.to_owned());
    done(cluster, region, Command::EditProduct { author, product, edits }).await.map(|_| ())
}

/// Has a change made, and waits until it is durable. Returns the receipt.
async fn done(cluster: &Cluster, region: usize, command: Command) -> Result<String, Failure> {
    // No two shops act within one millisecond: who was first or last is then what is told here.
    tokio::time::sleep(BETWEEN_ACTS).await;
    match cluster.ask(region, command).await? {
        Reply::Receipt { durable: true, receipt, .. } => Ok(receipt),
        other => Err(cluster.seat(region).astray(other).into()),
    }
}

fn description(text: &str) -> ProductEdit {
    ProductEdit::Description(text.to_owned())
}

fn described(edits: &[Edit]) -> String {
    let one = |edit: &Edit| match edit {
        Edit::Add(code, quantity) => format!("{quantity:+} {code}"),
        Edit::Remove(code) => format!("removes {code}"),
        Edit::Clear => "clears the cart".to_owned(),
        Edit::Note(text) => format!("notes {text:?}"),
        Edit::Delivery(delivery) => format!("to be delivered by {delivery}"),
    };
    edits.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Makes the changes that everybody knows before the links are cut.
async fn together(cluster: &Cluster) -> Result<(), Failure> {
    say("\nWhile they are in touch:");
    act(cluster, NORTH, "alice", vec![add("apples", 5), add("pears", 2)]).await?;
    act(cluster, SOUTH, "bob", vec![add("tea", 3), note("ring the bell")]).await?;
    let first = [description("Black tea\nloose, 100 g\nfrom Assam"), ProductEdit::Price(499)];
    sell(cluster, NORTH, first.to_vec()).await?;
    in_touch(cluster).await
}

/// Waits until all regions have seen the same.
async fn in_touch(cluster: &Cluster) -> Result<(), Failure> {
    if cluster.converge(PATIENCE).await? {
        Ok(())
    } else {
        Err(Stuck("one of them does not hear of the others".to_owned()).into())
    }
}

/// Makes the changes of each region while it is cut off. Returns the receipt of a slip.
async fn apart(cluster: &mut Cluster) -> Result<String, Failure> {
    say("\nEach goes on selling, alone:");
    act(cluster, NORTH, "alice", vec![remove("pears")]).await?;
    act(cluster, SOUTH, "alice", vec![add("pears", 3)]).await?;
    let slip = act(cluster, NORTH, "alice", vec![add("apples", 2)]).await?;
    act(cluster, WEST, "alice", vec![add("apples", -1)]).await?;
    act(cluster, NORTH, "bob", vec![note("leave it at the back door")]).await?;
    act(cluster, SOUTH, "bob", vec![note("ring twice")]).await?;
    act(cluster, WEST, "bob", vec![Edit::Clear]).await?;
    act(cluster, NORTH, "bob", vec![add("tea", 1), add("honey", 1)]).await?;
    act(cluster, WEST, "alice", vec![delivery("west", 2, "Friday")]).await?;
    act(cluster, SOUTH, "alice", vec![delivery("south", 7, "today")]).await?;
    sell(cluster, NORTH, vec![description("Strong black tea\nloose, 100 g\nfrom Assam")]).await?;
    sell(cluster, SOUTH, vec![description("Black tea\nloose, 100 g\nfrom Darjeeling")]).await?;
    sell(cluster, NORTH, vec![ProductEdit::Price(449)]).await?;
    sell(cluster, SOUTH, vec![ProductEdit::Price(529)]).await?;
    act(cluster, WEST, "carol", vec![add("lamps", 1)]).await?;
    kill_in_the_middle(cluster).await?;
    Ok(slip)
}

/// Kills west with a transaction in flight: the driver does not know its outcome, and sends it
/// again under the same key.
async fn kill_in_the_middle(cluster: &mut Cluster) -> Result<(), Failure> {
    let edits = vec![add("candles", 4)];
    say(&format!("  west  carol: {}  <- killed with SIGKILL in the middle", described(&edits)));
    let key = Some("carol's candles".to_owned());
    let (author, customer) = (Some(REGIONS[WEST].to_owned()), "carol".to_owned());
    let command = Command::Transact { key, author, customer, edits };
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
        say(&format!("        {}", product(cluster, region).await?));
    }
    Ok(())
}

async fn show_merged(cluster: &Cluster) -> Result<(), Failure> {
    for (region, name) in REGIONS.iter().enumerate() {
        say(&list_carts(&format!("  {name:<5} "), &carts(cluster, region).await?));
        say(&format!("        {}", product(cluster, region).await?));
    }
    say("\nWhat was decided, as the replicas report it:");
    let mut reports = Vec::new();
    for (region, name) in REGIONS.iter().enumerate() {
        match cluster.ask(region, Command::Conflicts).await? {
            Reply::Conflicts(sentences) => reports.push(((*name).to_owned(), sentences)),
            other => return Err(cluster.seat(region).astray(other).into()),
        }
    }
    say(&list_decisions(&reports));
    Ok(())
}

/// Returns the product as a region shows it, as a line.
async fn product(cluster: &Cluster, region: usize) -> Result<String, Failure> {
    match cluster.ask(region, Command::Product { product: PRODUCT.to_owned() }).await? {
        Reply::Product(product) => Ok(product_line(PRODUCT, &product)),
        other => Err(cluster.seat(region).astray(other).into()),
    }
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
