//! A packing list on a laptop and a phone: each works alone, and they sync when they meet.
//!
//! ```text
//! packing-list laptop.list new            makes the list, and prints its ticket
//! packing-list laptop.list add tent
//! packing-list laptop.list serve          prints an address, and syncs with whoever comes
//! packing-list phone.list  join TICKET    the same list on another device
//! packing-list phone.list  sync ADDRESS   once, both ways
//! ```

use std::error::Error;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use rejoin::crdts::Path;
use rejoin::crdts::ordered::ItemId;
use rejoin::prelude::*;
use rejoin_node::Node;

/// A thing to take along.
#[derive(Crdt, Default, Clone)]
struct Item {
    name: LwwRegister<String>,
    quantity: LwwRegister<u64>,
    packed: EnableWinsFlag,
    assignee: LwwRegister<String>,
    note: LwwRegister<String>,
}

/// All that is to be packed, in an order that people give it.
#[derive(Crdt, Default, Clone)]
struct Trip {
    items: List<Item>,
}

/// The one object of the space.
const TRIP: &str = "trip";
const SPACE: &str = "packing list";

#[derive(Parser)]
#[command(about = "A packing list that several devices share")]
struct Args {
    /// The file of this device.
    store: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a list, and print its ticket.
    New,
    /// Take part in a list that another device made.
    Join { ticket: Ticket },
    /// Print the ticket, for another device.
    Ticket,
    /// Add a thing at the end.
    Add {
        name: String,
        #[arg(short, long, default_value_t = 1)]
        quantity: u64,
    },
    /// Show the list.
    Show,
    /// Mark things as packed, by their numbers.
    Pack { numbers: Vec<usize> },
    /// Mark a thing as not packed.
    Unpack { number: usize },
    /// Say who takes care of a thing.
    Assign { number: usize, who: String },
    /// Write a note to a thing.
    Note { number: usize, text: String },
    /// Move a thing to another place.
    Move { number: usize, to: usize },
    /// Remove a thing, unless somebody else changes it meanwhile.
    Remove { number: usize },
    /// Sync with whoever comes, until the program is ended.
    Serve {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Sync once with a device that serves.
    Sync { address: SocketAddr },
}

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run(Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(Args { store, command }: Args) -> Outcome {
    let store = match &command {
        // Also while another process serves.
        Command::Show | Command::Ticket => Store::open_read_only(store)?,
        _ => Store::open(store)?,
    };
    let list = match &command {
        Command::New => store.create_space::<Trip>(SPACE)?,
        Command::Join { ticket } => store.join_space(SPACE, ticket)?,
        _ => store.open_space(SPACE)?,
    };
    match command {
        Command::New | Command::Ticket => println!("{}", list.ticket()),
        Command::Join { .. } => println!("joined; sync it to see what is in it"),
        Command::Show => {}
        Command::Serve { listen } => return runtime()?.block_on(serve(&list, listen)),
        Command::Sync { address } => return runtime()?.block_on(sync(&list, address)),
        edit => {
            list.transact(|tx| change(tx.object(TRIP).into_items(), edit))?;
        }
    }
    show(&list)
}

/// Makes a change that a person asked for. Things are numbered from 1.
fn change(mut items: <List<Item> as Crdt>::Editor<'_>, edit: Command) -> Result<(), EditError> {
    let index = |number: usize| number.wrapping_sub(1);
    match edit {
        Command::Add { name, quantity } => {
            let mut item = items.push()?;
            item.name().set(name)?;
            item.quantity().set(quantity)
        }
        Command::Pack { numbers } => {
            numbers.into_iter().try_for_each(|number| items.at(index(number))?.packed().enable())
        }
        Command::Unpack { number } => items.at(index(number))?.packed().disable(),
        Command::Assign { number, who } => items.at(index(number))?.assignee().set(who),
        Command::Note { number, text } => items.at(index(number))?.note().set(text),
        Command::Move { number, to } => items.move_to(index(number), index(to)),
        Command::Remove { number } => items.remove_unless_edited(index(number)),
        _ => Ok(()),
    }
}

/// Prints the list as it is at one moment.
fn show(list: &Space<Trip>) -> Outcome {
    let lines = list.read(|snapshot| -> Result<Vec<String>, ReadError> {
        let items = snapshot.object(TRIP).items().items()?;
        items.iter().enumerate().map(|(at, (_, item))| line(at + 1, item)).collect()
    })??;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn line(number: usize, item: &<Item as Crdt>::Reader<'_>) -> Result<String, ReadError> {
    let mark = if item.packed().is_enabled()? { 'x' } else { ' ' };
    let name = item.name().get()?.unwrap_or_else(|| "(no name)".to_owned());
    let mut line = format!("{number}. [{mark}] {name}");
    match item.quantity().get()? {
        None | Some(1) => {}
        Some(quantity) => line += &format!(" x{quantity}"),
    }
    let assignee = item.assignee().get()?.map(|who| format!(" @{who}"));
    let note = item.note().get()?.map(|note| format!(" ({note})"));
    Ok(line + &assignee.unwrap_or_default() + &note.unwrap_or_default())
}

/// Prints the conflicts of a change that came in, each with the name of the thing.
fn tell<'a>(
    list: &Space<Trip>,
    conflicts: impl Iterator<Item = (&'a Path, &'a dyn Display)>,
) -> Outcome {
    for (path, conflict) in conflicts {
        let mut place = Vec::new();
        // The path is the trip, its items, and the item by its id.
        for name in path.names().skip(2) {
            let id = name.to::<ItemId>().ok();
            place.push(id.map_or_else(|| Ok(name.to_string()), |id| name_of(list, id))?);
        }
        let all = conflict.to_string();
        let what = all.split_once(": ").map_or(all.as_str(), |(_, what)| what);
        println!("conflict about {}: {what}", place.join(", "));
    }
    Ok(())
}

fn name_of(list: &Space<Trip>, id: ItemId) -> Result<String, ReadError> {
    let item = list.object(TRIP).items().item(id)?;
    let name = item.map(|item| item.name().get()).transpose()?.flatten();
    Ok(name.unwrap_or_else(|| format!("a removed thing ({id})")))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn serve(list: &Space<Trip>, listen: SocketAddr) -> Outcome {
    let node = Node::new(|report| eprintln!("sync: {report}"));
    node.share(&list.link())?;
    println!("serving at {}", node.listen(listen).await?);
    let watch = list.watch()?;
    // It waits for changes, on the main thread: connections have threads of their own.
    tokio::task::block_in_place(|| {
        loop {
            if let Some(change) = watch.next_within(Duration::from_secs(3600))? {
                tell(list, change.decisions.iter().map(|it| (&it.path, it as &dyn Display)))?;
            }
        }
    })
}

async fn sync(list: &Space<Trip>, address: SocketAddr) -> Outcome {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let node = Node::new(|_| {});
    node.share(&list.link())?;
    let dial = node.connect(&list.link(), address).ok_or("the list is not shared")?;
    tokio::time::timeout(Duration::from_secs(30), dial.caught_up())
        .await
        .map_err(|_| "the other device does not answer; is it the right address?")??;
    let found = list.conflicts().found_in(now..).oldest_first().page(100)?;
    tell(list, found.iter().map(|it| (&it.path, it as &dyn Display)))?;
    show(list)
}
