//! Enums that cannot be derived.

use rejoin::prelude::*;

#[derive(Crdt, Default)]
enum NoRule {
    #[default]
    Open,
    Card { last_four: LwwRegister<String> },
}

#[derive(Crdt, Default)]
#[crdt(concurrent = "newest")]
enum UnknownRule {
    #[default]
    Open,
}

#[derive(Crdt, Default)]
#[crdt(rule = "latest")]
#[crdt(concurrent = "latest")]
enum UnknownAttribute {
    #[default]
    Open,
}

#[derive(Crdt, Default)]
#[crdt(concurrent = "latest")]
enum TupleVariant {
    #[default]
    Open,
    Card(LwwRegister<String>),
}

#[derive(Crdt)]
#[crdt(concurrent = "latest")]
enum NoVariant {}

#[derive(Crdt, Default)]
#[crdt(concurrent = "latest")]
enum TakenNames {
    #[default]
    Open,
    #[crdt(rename = "Open")]
    Opened,
    #[crdt(rename = "variant")]
    Other,
    Get { tries: PnCounter },
    Choice { tries: PnCounter },
}

#[derive(Crdt, Default)]
#[crdt(concurrent = "latest")]
enum TakenField {
    #[default]
    Open,
    Card { clear: PnCounter },
    #[crdt(concurrent = "latest")]
    Invoice,
}

fn main() {}
