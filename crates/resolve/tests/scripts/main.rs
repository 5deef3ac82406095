//! Golden scripts: one policy or anomaly per file, readable as a specification.
//!
//! A script in `golden/` says who writes what and who hears of it, and by which policy; after each
//! `show`, on lines that begin with `>`, what stands and what was set aside. `REJOIN_GOLDEN=write
//! cargo test -p rejoin-resolve --test scripts` rewrites these lines; look at the difference before
//! you keep it.

mod cast;
#[path = "../../../crdts/tests/scripts/golden.rs"]
mod golden;

use std::path::Path;

use cast::Cast;

#[test]
fn every_script_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/golden");
    golden::check(&folder, 14, Cast::run);
}
