//! Golden scripts: one scenario of stores per file, readable as a specification.
//!
//! A script in `golden/` tells a story: who writes, who meets whom, what breaks. After each command
//! there is, on lines that begin with `>`, what a user or a log would see. Replica ids are random;
//! they are shown as `r1`, `r2` and so on, in the order in which they appear.
//! `REJOIN_GOLDEN=write cargo test -p rejoin-replica --test scripts` rewrites the output; look at
//! the difference before you keep it.
//!
//! The commands are in `command`. The edits of a cart, and the player, are those of the scripts of
//! rejoin-crdts.

mod command;
mod disk;
mod edit;
#[path = "../../../crdts/tests/scripts/command.rs"]
mod edits;
#[path = "../../../crdts/tests/scripts/golden.rs"]
mod golden;
mod shown;
mod site;
mod wire;
mod world;

use std::path::Path;

use world::World;

#[test]
fn every_script_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/golden");
    golden::check(&folder, 20, World::run);
}
