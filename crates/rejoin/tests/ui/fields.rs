//! Fields that a struct or a variant cannot have.

use rejoin::prelude::*;

#[derive(Crdt, Default)]
struct OneName {
    note: LwwRegister<String>,
    #[crdt(rename = "note")]
    remark: LwwRegister<String>,
}

#[derive(Crdt, Default)]
struct Weather {
    clear: PnCounter,
}

#[derive(Crdt, Default)]
struct Skips {
    #[crdt(skip)]
    note: LwwRegister<String>,
}

#[derive(Crdt, Default)]
struct Plain {
    note: String,
    visits: u64,
    done: bool,
    price: f64,
    lines: std::collections::HashMap<String, PnCounter>,
    tags: std::collections::HashSet<String>,
    steps: Vec<PnCounter>,
    owner: Option<LwwRegister<String>>,
}

#[derive(Crdt, Default)]
struct Phantom<T> {
    note: LwwRegister<String>,
    of: std::marker::PhantomData<T>,
}

fn main() {}
