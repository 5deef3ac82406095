//! An enum that does not say what stands before anybody has chosen: one error, however it is used.

use rejoin::prelude::*;

#[derive(Crdt)]
#[crdt(concurrent = "latest")]
enum Payment {
    Open,
    Card { last_four: LwwRegister<String>, tries: GCounter },
    Invoice { number: LwwRegister<String> },
}

#[derive(Crdt)]
struct Order {
    lines: OrMap<String, PnCounter>,
    payment: OneOf<Payment>,
}

fn main() -> Result<(), StoreError> {
    let orders = Store::memory()?.create_space::<Order>("orders")?;
    orders.transact(|tx| tx.object("alice").payment().choose_card()?.tries().add(1))?;
    println!("{:?}", orders.object("alice").payment().variant());
    Ok(())
}
