//! What recording a conflict costs: the same writes on two stores in memory, which meet, with and
//! without a conflict log. To be counted by callgrind, which does not depend on the machine's mood:
//!
//! ```text
//! cargo build --release -p rejoin-benches --example conflict_cost
//! for log in 0 100000; do
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!         target/release/examples/conflict_cost 12000 $log 12000
//! done
//! ```
//!
//! Half of the difference, by the number of writes, is the cost of one record. With 500 as the
//! third number there are so many objects, and each round of writes settles the conflicts of the
//! one before. With `alone` behind the numbers the stores do not meet, and half of that per write
//! is the cost of a transaction.

use std::sync::Arc;

use rejoin_crdts::LwwRegister;
use rejoin_replica::storage::Memory;
use rejoin_replica::{Config, Durability, MachineTime, Space, Store};

type Notes = Space<LwwRegister<String>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "three numbers: of writes, of records that the log keeps, and of objects";
    let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok()).ok_or(usage);
    let (writes, records) = (number()?, number()?);
    let objects = number()?;
    let meets = arguments.next().as_deref() != Some("alone");

    let mut config = Config::default();
    config.conflicts = records;
    let time = || Arc::new(MachineTime::default());
    let open = || Store::with_storage(Arc::new(Memory::default()), config, time());
    let [north, south] = [open()?, open()?];
    let here: Notes = north.create_space("notes")?;
    let there: Notes = south.join_space("notes", here.ticket())?;
    let buffered = [&here, &there].map(|space| space.with_durability(Durability::Buffered));
    for from in (0..writes).step_by(1000) {
        for n in from..writes.min(from + 1000) {
            let key = format!("note {}", n % objects);
            for (space, text) in buffered.iter().zip(["ring once", "ring twice"]) {
                space.transact(|tx| tx.object(&key).set(text))?;
            }
        }
        if meets {
            here.link().meet(&there.link())?;
        }
    }
    let last = here.conflicts().page(1)?.first().map_or(0, |last| last.number + 1);
    println!("{writes} writes on each side, {last} records");
    Ok(())
}
