//! Golden scripts: one anomaly per file, readable as a specification.
//!
//! A script in `golden/` says who does what and who hears of it, and after each `show` the exact
//! outcome, on lines that begin with `>`. `REJOIN_GOLDEN=write cargo test -p rejoin-crdts --test
//! scripts` rewrites these lines; look at the difference before you keep it.

mod cast;
mod command;
mod golden;

use std::path::Path;

use cast::Cast;

#[test]
fn every_script_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/golden");
    golden::check(&folder, 20, Cast::run);
}
