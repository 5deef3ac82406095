//! `cart conflicts`: what merges decided, from the conflict log of each store.

use rejoin::prelude::*;
use serde::Serialize;

use crate::args::ConflictsArgs;
use crate::failure::Failure;
use crate::look::kept::{Kept, KeptError};
use crate::look::moment;
use crate::look::names::Names;
use crate::look::{say, say_json};
use crate::shop::cart::Cart;
use crate::shop::product::Product;
use crate::shop::{CARTS, PRODUCTS, delivery};

/// A conflict of a store.
#[derive(Serialize)]
struct Row<'a> {
    store: &'a str,
    space: &'static str,
    /// Its place, for people.
    place: String,
    is_open: bool,
    #[serde(flatten)]
    conflict: Conflict,
}

/// Prints the conflicts that were asked for, those of each store apart, the latest first.
///
/// # Errors
/// [`KeptError`].
pub(crate) fn run(args: &ConflictsArgs) -> Result<(), Failure> {
    let stores = Kept::open_all(&args.dir)?;
    let mut all = Vec::new();
    for kept in &stores {
        let mut rows = rows::<Cart>(args, kept, CARTS)?;
        rows.extend(self::rows::<Product>(args, kept, PRODUCTS)?);
        rows.sort_by_key(|row| std::cmp::Reverse(row.conflict.at));
        rows.truncate(args.limit.get());
        all.push((kept, rows));
    }
    let rows = || all.iter().flat_map(|(_, rows)| rows);
    if rows().next().is_none() {
        eprintln!("no store in {} has such a conflict", args.dir.display());
    } else if args.json {
        rows().for_each(say_json);
    } else {
        // Many transactions say who made them. Only for the others the stores are inspected.
        let is_told = |row: &Row<'_>| {
            let mut versions = row.conflict.versions().chain(&row.conflict.settled);
            versions.all(|version| version.origin.as_ref().is_some_and(|it| it.author.is_some()))
        };
        let names = if rows().all(is_told) { Names::default() } else { Names::of(&stores) };
        all.into_iter().for_each(|(kept, rows)| tell(kept, rows, &names));
    }
    Ok(())
}

/// Returns the conflicts of a space that were asked for; none if there is no such space.
fn rows<'a, T: Crdt>(
    args: &ConflictsArgs,
    kept: &'a Kept,
    name: &'static str,
) -> Result<Vec<Row<'a>>, KeptError> {
    let Some(space) = kept.space::<T>(name)? else { return Ok(Vec::new()) };
    let mut asked = space.conflicts();
    if let Some(key) = &args.key {
        asked = asked.of(key);
    }
    if let Some(since) = args.since {
        asked = asked.found_in(since..);
    }
    if args.open {
        asked = asked.open();
    }
    let found = asked.page(args.limit.get()).map_err(|error| kept.failed(error))?;
    let row = |conflict: Conflict| Row {
        store: &kept.name,
        space: name,
        place: conflict.path.to_string(),
        is_open: conflict.is_open(),
        conflict,
    };
    Ok(found.into_iter().map(row).collect())
}

fn tell(kept: &Kept, rows: Vec<Row<'_>>, names: &Names) {
    say(&kept.name);
    for Row { is_open, conflict, .. } in rows {
        let (at, state) = (conflict.at, if is_open { "open" } else { "settled" });
        let sentence = names.tell(&delivery::sentence(conflict));
        say(&format!("  {} {state:<7} {sentence}", moment::show(at)));
    }
}
