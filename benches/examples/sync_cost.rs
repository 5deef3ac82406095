//! What it costs to catch up, to be profiled:
//!
//! ```text
//! cargo run --profile compare -p rejoin-benches --example sync_cost -- 100000 1000 20
//! ```

use std::time::Instant;

use rejoin_benches::{Side, mix, replica, sync};
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::path::Path;
use rejoin_crdts::{Crdt, LwwRegister, OrMap};
use rejoin_replica::{Now, Ticket};

type Settings = OrMap<String, LwwRegister<i64>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut number = || numbers.next().ok_or("keys, how many differ, and rounds");
    let (keys, differ, rounds) = (number()??, number()??, number()??);
    let ticket = Ticket::with_lineage("cost", [7; 16]);
    let side = |id| Side::new(ticket.hash(), replica(id));
    let (mut north, mut south) = (side(0), side(1));
    write(&mut north, keys, 1);
    sync(&mut north, &mut south);
    let mut times = Vec::new();
    for round in 0..rounds {
        write(&mut north, differ, i64::try_from(round)? + 2);
        let started = Instant::now();
        let cost = sync(&mut south, &mut north);
        times.push(started.elapsed());
        if round == 0 {
            println!("{cost:?}");
        }
    }
    times.sort_unstable();
    println!("median of {rounds}: {:?}", times.get(times.len() / 2));
    Ok(())
}

fn write(side: &mut Side, keys: u64, value: i64) {
    for n in 0..keys {
        let stamp = side.core.stamp(Now::default());
        let source = side.core.source();
        let mut draft = side.core.draft(&source, stamp);
        let place = Path::object("settings", Settings::KIND);
        let map = &mut Settings::editor(Cursor::new(&mut draft, place));
        map.entry(format!("key-{:016x}", mix(n)).as_str()).set(value).expect("in range");
        let entry = side.core.entry(draft.finish().0, stamp).expect("one operation");
        side.core.commit(entry, Vec::new()).expect("all is in memory");
    }
    side.settle();
}
