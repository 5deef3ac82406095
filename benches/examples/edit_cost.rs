//! What single edits cost, to be counted by callgrind:
//!
//! ```text
//! cargo build --release -p rejoin-benches --example edit_cost
//! valgrind --tool=callgrind target/release/examples/edit_cost counter 3 10000
//! ```
//!
//! The difference between two counts of edits, by their number, is the cost of one.

use rejoin_benches::{fresh, mix};
use rejoin_crdts::{List, LwwRegister, OrMap, OrSet, PnCounter, Replica};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "counter | set | map | list, its size, and the number of edits";
    let what = arguments.next().ok_or(usage)?;
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or(usage);
    let (size, edits) = (number()?, number()?);
    match what.as_str() {
        "counter" => {
            let mut counter = Replica::<PnCounter>::new(fresh(0));
            for n in 1..size {
                counter.apply(&Replica::<PnCounter>::new(fresh(n)).edit(|it| it.add(1))?);
            }
            for _ in 0..edits {
                counter.edit(|it| it.add(1))?;
            }
        }
        "set" => {
            let mut set = Replica::<OrSet<u64>>::new(fresh(0));
            set.edit(|set| (0..size).try_for_each(|n| set.insert(&mix(n))))?;
            for n in size..size + edits {
                set.edit(|set| set.insert(&mix(n)))?;
            }
        }
        "map" => {
            let mut map = Replica::<OrMap<u64, LwwRegister<u64>>>::new(fresh(0));
            map.edit(|map| (0..size).try_for_each(|n| map.entry(&mix(n)).set(n)))?;
            for n in 0..edits {
                map.edit(|map| map.entry(&mix(n % size)).set(n))?;
            }
        }
        "list" => {
            let mut list = Replica::<List<LwwRegister<u64>>>::new(fresh(0));
            list.edit(|list| (0..size).try_for_each(|n| list.push()?.set(n)))?;
            for n in 0..edits {
                let at = usize::try_from(mix(n) % size)?;
                list.edit(|list| list.insert(at)?.set(n))?;
            }
        }
        _ => return Err(usage.into()),
    }
    println!("{edits} edits of a {what} of {size}");
    Ok(())
}
