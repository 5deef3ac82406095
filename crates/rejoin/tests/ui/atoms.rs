//! Values that are no scalars, and scalars that lack a derive.

use rejoin::prelude::*;

#[derive(Atom, Clone)]
enum Payment {
    Open,
    Card(String),
}

#[derive(Atom, Clone)]
struct Address {
    street: String,
    floor: u64,
}

#[derive(Atom, Clone)]
enum Nothing {}

#[derive(Atom, Clone)]
enum Twice {
    First,
    #[crdt(rename = "First")]
    Second,
}

#[derive(Atom, Clone)]
#[crdt(skip)]
enum Skipped {
    One,
}

#[derive(Clone)]
enum Priority {
    Low,
}

#[derive(Crdt, Default)]
struct Task {
    priority: LwwRegister<Priority>,
}

#[derive(Atom, Clone)]
struct Person(String);

#[derive(Crdt, Default)]
struct Team {
    members: OrSet<Person>,
}

fn main() {}
