//! Items that are no struct with named fields of its own.

use rejoin::prelude::*;

#[derive(Crdt, Default)]
struct Positions(OrMap<String, PnCounter>);

#[derive(Crdt, Default)]
struct Nothing;

#[derive(Crdt)]
union Shared {
    count: std::mem::ManuallyDrop<PnCounter>,
}

#[derive(Crdt, Default)]
struct Borrows<'a> {
    note: LwwRegister<&'a str>,
}

#[derive(Crdt, Default)]
#[crdt(concurrent = "latest")]
struct Rule {
    note: LwwRegister<String>,
}

#[derive(Crdt, Default)]
#[crdt(rename = "Basket")]
struct Renamed {
    note: LwwRegister<String>,
}

fn main() {}
