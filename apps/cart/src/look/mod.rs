//! `cart conflicts` and `cart history`: what stores that were kept know of how they came about.
//!
//! - [`kept`]: the stores of a directory. [`names`]: whose id is whose.
//! - [`conflicts`]: what merges decided; [`history`]: who changed what, and when.
//! - [`moment`]: times, in and out.

pub(crate) mod conflicts;
pub(crate) mod history;
mod kept;
pub(crate) mod moment;
mod names;

use std::io::Write;

use serde::Serialize;

/// Prints a line. An error is ignored: whoever closed standard output has seen enough.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints one JSON object as a line.
fn say_json(row: &impl Serialize) {
    // Keys are strings, and nothing in a row fails to serialize.
    say(&serde_json::to_string(row).unwrap_or_default());
}
