//! How the cost of what a store offers grows with what it holds: `cargo run --release -p
//! rejoin-benches --example scaling -- 100 1000 10000 100000`.
//!
//! A size is a number of objects and, in one more object, of keys, items, nodes and elements. Each
//! line has the median time at each size and the exponent that fits; work that promises to be flat
//! and is not is marked. Both stores are in memory: other benches have what a disk costs.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rejoin::crdts::ordered::NodeId;
use rejoin::prelude::*;
use rejoin::replica::OpenOptions;
use rejoin::replica::storage::Memory;
use rejoin_benches::{exponent, mix};

/// Rounds of each row.
const ROUNDS: usize = 40;
/// A time is noise, and a cache that is too small no fault, up to this exponent.
const NOISE: f64 = 0.25;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Crdt)]
struct Order {
    #[crdt(index)]
    status: LwwRegister<String>,
    total: PnCounter,
    lines: OrMap<u64, LwwRegister<u64>>,
    notes: List<LwwRegister<u64>>,
    tags: OrSet<u64>,
    folders: Tree<LwwRegister<u64>>,
}

/// Two copies of a space of one size.
struct World {
    size: u64,
    storage: Arc<Memory>,
    store: Store,
    orders: Space<Order>,
    _other_store: Store,
    other: Space<Order>,
    nodes: Vec<NodeId>,
    /// Numbers that were used up.
    next: u64,
}

impl World {
    fn new(size: u64) -> Outcome<Self> {
        let storage = Arc::new(Memory::default());
        let store = OpenOptions::new().over(storage.clone())?;
        let orders = store.create_space::<Order>("orders")?.with_durability(Durability::Buffered);
        for n in 0..size {
            orders.transact(|tx| tx.object(&key(n)).status().set(status(n)))?;
        }
        for first in (0..size).step_by(1_000) {
            orders.transact(|tx| {
                (first..size.min(first + 1_000)).try_for_each(|n| {
                    tx.object("large").lines().entry(&n).set(n)?;
                    tx.object("large").notes().push()?.set(n)?;
                    tx.object("large").tags().insert(&mix(n))
                })
            })?;
        }
        let mut nodes = Vec::new();
        for first in (0..size).step_by(1_000) {
            let more = orders.transact(|tx| {
                let mut large = tx.object("large");
                let mut folders = large.folders();
                let ids = first..size.min(first + 1_000);
                ids.map(|_| folders.create(Parent::Root)).collect::<Result<Vec<_>, _>>()
            })?;
            nodes.extend(more.value);
        }
        let other_store = Store::memory()?;
        let other = other_store.join_space("orders", orders.ticket())?;
        let other = other.with_durability(Durability::Buffered);
        orders.link().meet(&other.link())?;
        Ok(Self { size, storage, store, orders, _other_store: other_store, other, nodes, next: 0 })
    }

    /// A number that looks random.
    fn any(&mut self) -> u64 {
        self.next += 1;
        mix(self.next) % self.size
    }

    fn write(&mut self) -> Outcome<Receipt> {
        let at = key(self.any());
        Ok(self.orders.transact(|tx| tx.object(&at).total().add(1))?.receipt)
    }
}

fn key(n: u64) -> String {
    format!("order-{n:08}")
}

fn status(n: u64) -> String {
    format!("status-{:04}", n % 1_000)
}

/// Work, and the exponent that it promises.
struct Row {
    what: &'static str,
    promised: f64,
    /// Prepares a round, and returns what is timed.
    round: fn(&mut World) -> Outcome<Duration>,
}

fn timed<R>(work: impl FnOnce() -> Outcome<R>) -> Outcome<Duration> {
    let begun = Instant::now();
    let done = work()?;
    let time = begun.elapsed();
    drop(black_box(done));
    Ok(time)
}

const fn flat(what: &'static str, round: fn(&mut World) -> Outcome<Duration>) -> Row {
    Row { what, promised: 0.0, round }
}

const ROWS: &[Row] = &[
    flat("write an object", |world| timed(|| world.write())),
    flat("overwrite a key of a large map", |world| {
        let at = world.any();
        timed(|| {
            Ok(world.orders.transact(|tx| tx.object("large").lines().entry(&at).set(at + 1))?)
        })
    }),
    flat("add to a large set", |world| {
        let element = mix(world.any() + (world.next << 32));
        timed(|| Ok(world.orders.transact(|tx| tx.object("large").tags().insert(&element))?))
    }),
    flat("insert into a large list", |world| {
        let at = usize::try_from(world.any())?;
        timed(|| {
            Ok(world.orders.transact(|tx| tx.object("large").notes().insert(at)?.set(7_u64))?)
        })
    }),
    flat("move an item of a large list", |world| {
        let (from, to) = (usize::try_from(world.any())?, usize::try_from(world.any())?);
        timed(|| Ok(world.orders.transact(|tx| tx.object("large").notes().move_to(from, to))?))
    }),
    flat("move a node of a large tree", |world| {
        let (node, below) = (usize::try_from(world.any())?, usize::try_from(world.any())?);
        let [node, below] = [node, below].map(|at| world.nodes[at]);
        let below = Parent::Node(below);
        // Below itself it cannot be.
        timed(|| Ok(world.orders.transact(|tx| tx.object("large").folders().move_to(node, below))))
    }),
    flat("read an object", |world| {
        let at = key(world.any());
        timed(|| Ok(world.orders.object(&at).status().get()?))
    }),
    flat("read a key of a large map", |world| {
        let at = world.any();
        timed(|| Ok(world.orders.object("large").lines().at(&at).get()?))
    }),
    flat("read an item of a large list", |world| {
        let at = usize::try_from(world.any())?;
        timed(|| Ok(world.orders.object("large").notes().get(at)?.map(|note| note.get())))
    }),
    flat("a page of 20 keys", |world| {
        let from = key(world.any());
        timed(|| Ok(world.orders.keys_in(from.as_str().., 20)?))
    }),
    flat("a page of 20 by an index", |world| {
        let from = status(world.any());
        timed(|| Ok(world.orders.find("status", from.., None, 20)?))
    }),
    flat("the history of an object", |world| {
        let at = key(world.any());
        timed(|| Ok(world.orders.history(&at, None, 20)?))
    }),
    flat("a page of 20 conflicts", |world| timed(|| Ok(world.orders.conflicts().page(20)?))),
    flat("undo a transaction", |world| {
        let receipt = world.write()?;
        timed(|| Ok(world.orders.undo(&receipt)?))
    }),
    flat("ask a receipt who holds it", |world| {
        let receipt = world.write()?;
        timed(|| Ok(world.orders.held_by(&receipt)?))
    }),
    flat("see a change by a watch", |world| {
        let watch = world.orders.watch()?;
        world.write()?;
        timed(|| Ok(watch.try_next()?))
    }),
    flat("begin to watch", |world| timed(|| Ok(world.orders.watch()?))),
    flat("the last ten changes", |world| {
        let since = world.orders.version_vector()?;
        (0..10).try_for_each(|_| world.write().map(drop))?;
        timed(|| Ok(world.orders.changes(&since)?.collect::<Result<Vec<_>, _>>()?))
    }),
    flat("statistics", |world| timed(|| Ok(world.orders.stats()?))),
    flat("meet an equal copy", |world| {
        world.orders.link().meet(&world.other.link())?;
        timed(|| Ok(world.orders.link().meet(&world.other.link())?))
    }),
    flat("meet a copy that lacks ten", |world| {
        (0..10).try_for_each(|_| world.write().map(drop))?;
        timed(|| Ok(world.orders.link().meet(&world.other.link())?))
    }),
    flat("open a store that was closed", |world| {
        world.store.close()?;
        let mut opened = None;
        let time = timed(|| {
            let store = OpenOptions::new().over(world.storage.clone())?;
            let orders = store.open_space::<Order>("orders")?;
            opened = Some((store, orders.with_durability(Durability::Buffered)));
            Ok(())
        })?;
        (world.store, world.orders) = opened.ok_or("it was opened")?;
        Ok(time)
    }),
    flat("the fingerprint after a write", |world| {
        world.write()?;
        timed(|| Ok(world.orders.fingerprint()?))
    }),
    Row {
        what: "the digest after a write",
        promised: 1.0,
        round: |world| {
            world.write()?;
            timed(|| Ok(world.orders.digest()?))
        },
    },
];

fn main() -> Outcome<()> {
    let sizes: Result<Vec<u64>, _> = std::env::args().skip(1).map(|size| size.parse()).collect();
    let sizes = sizes?;
    if sizes.len() < 2 {
        return Err("say two sizes at least, for instance: scaling 100 1000 10000".into());
    }
    let mut points = vec![Vec::new(); ROWS.len()];
    for &size in &sizes {
        eprintln!("{size} ..");
        let mut world = World::new(size)?;
        for (row, points) in ROWS.iter().zip(&mut points) {
            let rounds = (0..ROUNDS).map(|_| (row.round)(&mut world));
            let mut times = rounds.collect::<Outcome<Vec<Duration>>>()?;
            times.sort_unstable();
            points.push((size as f64, times[ROUNDS / 2].as_secs_f64() * 1e6));
        }
    }
    println!("| work | us at {sizes:?} | exponent | promised | |\n|-|-|-|-|-|");
    let mut kept = 0;
    for (row, points) in ROWS.iter().zip(&points) {
        let exponent = exponent(points);
        let is_kept = exponent <= row.promised + NOISE;
        kept += usize::from(is_kept);
        let times: Vec<_> = points.iter().map(|(_, micros)| format!("{micros:.1}")).collect();
        let verdict = if is_kept { "" } else { "**more**" };
        println!(
            "| {} | {} | {exponent:.2} | {} | {verdict} |",
            row.what,
            times.join(", "),
            row.promised
        );
    }
    println!("\n{kept} of {} as promised", ROWS.len());
    Ok(())
}
