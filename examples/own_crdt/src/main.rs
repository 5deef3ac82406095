//! Types of one's own, checked against the laws that make a type a CRDT.
//!
//! - [`high_scores`]: written by hand, and right.
//! - [`status`]: written by hand, and subtly wrong: it works until two people write at once.
//! - [`profile`]: a struct that derives `Crdt`.
//!
//! `cargo run -p own-crdt` prints the kit's verdict on each; in your own program, one call of
//! `check_all` in a test does the same (see the tests of each module).

mod high_scores;
mod profile;
mod status;

use proptest::strategy::Strategy;
use rejoin::crdts::laws::{DeltaCrdt, Laws, ReplicaOf};

fn main() {
    report::<high_scores::HighScores>("HighScores", high_scores::plays());
    report::<ReplicaOf<profile::Edit>>("Profile", profile::edits());
    report::<status::Status>("Status", status::writes());
}

/// Checks every law and prints the result.
fn report<C: DeltaCrdt>(name: &str, operations: impl Strategy<Value = C::Op> + 'static) {
    match Laws::<C>::new(operations).check_all() {
        Ok(()) => println!("`{name}` keeps every law\n"),
        Err(counterexample) => println!("{counterexample}"),
    }
}
