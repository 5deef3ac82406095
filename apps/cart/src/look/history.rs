//! `cart history`: who changed a cart or a product, when, and from what to what.

use rejoin::prelude::*;
use rejoin::replica::{Past, PastEdit};
use serde::Serialize;

use crate::args::HistoryArgs;
use crate::failure::Failure;
use crate::look::kept::{Kept, KeptError};
use crate::look::moment;
use crate::look::names::Names;
use crate::look::{say, say_json};
use crate::shop::cart::Cart;
use crate::shop::product::Product;
use crate::shop::{CARTS, PRODUCTS, delivery};

/// A transaction that changed what was asked for.
#[derive(Serialize)]
struct Row<'a> {
    store: &'a str,
    space: &'static str,
    /// When it was made, in milliseconds since 1970 by its author's clock.
    at: u64,
    replica: ReplicaId,
    /// The counter of its last dot.
    last: u64,
    author: Option<String>,
    message: Option<String>,
    /// The last dots of the transactions that it undoes, as replica and counter.
    undoes: Vec<(ReplicaId, u64)>,
    edits: Vec<Done>,
}

/// One thing that a transaction did.
#[derive(Serialize)]
struct Done {
    place: String,
    action: Action,
    /// What it replaced, of a register.
    replaced: Vec<Action>,
}

/// Prints the history that was asked for, that of each store apart, the latest first.
///
/// # Errors
/// [`KeptError`].
pub(crate) fn run(args: &HistoryArgs) -> Result<(), Failure> {
    let stores = Kept::open_all(&args.dir)?;
    let mut all = Vec::new();
    for kept in &stores {
        let mut rows = rows::<Cart>(args, kept, CARTS)?;
        rows.extend(self::rows::<Product>(args, kept, PRODUCTS)?);
        all.push((kept, rows));
    }
    let rows = || all.iter().flat_map(|(_, rows)| rows);
    if rows().next().is_none() {
        eprintln!("nobody has ever changed {:?} in {}", args.key, args.dir.display());
    } else if args.json {
        rows().for_each(say_json);
    } else {
        // Many transactions say who made them. Only for the others the stores are inspected.
        let is_told = |row: &Row<'_>| row.author.is_some() && row.undoes.is_empty();
        let names = if rows().all(is_told) { Names::default() } else { Names::of(&stores) };
        all.iter().for_each(|(kept, rows)| tell(kept, rows, &names));
    }
    Ok(())
}

/// Returns the history of the key in a space; none if there is no such space.
fn rows<'a, T: Crdt>(
    args: &HistoryArgs,
    kept: &'a Kept,
    name: &'static str,
) -> Result<Vec<Row<'a>>, KeptError> {
    let Some(space) = kept.space::<T>(name)? else { return Ok(Vec::new()) };
    let found =
        space.history(&args.key, None, args.limit.get()).map_err(|error| kept.failed(error))?;
    let row = |Past { change, edits, .. }: Past| {
        let label = change.label();
        Row {
            store: &kept.name,
            space: name,
            at: change.stamp.millis(),
            replica: change.origin,
            last: change.last,
            author: label.author,
            message: label.message,
            undoes: label.undoes.iter().map(|dot| (dot.replica(), dot.counter())).collect(),
            edits: edits.into_iter().map(Done::from).collect(),
        }
    };
    Ok(found.into_iter().map(row).collect())
}

impl From<PastEdit> for Done {
    fn from(PastEdit { edit, replaced, .. }: PastEdit) -> Self {
        Self { place: edit.path.to_string(), action: edit.action, replaced }
    }
}

fn tell(kept: &Kept, rows: &[Row<'_>], names: &Names) {
    say(&kept.name);
    for row in rows {
        let who = row.author.clone().unwrap_or_else(|| names.name(row.replica));
        let edits: Vec<String> = row.edits.iter().map(Done::told).collect();
        let mut line = format!("  {} {who}: {}", moment::show(row.at), edits.join("; "));
        if let Some(message) = &row.message {
            line.push_str(&format!("  ({message})"));
        }
        for (replica, counter) in &row.undoes {
            line.push_str(&format!("  (undoes {}'s transaction {counter})", names.name(*replica)));
        }
        say(&line);
    }
}

impl Done {
    fn told(&self) -> String {
        let Self { place, action, replaced } = self;
        let told = delivery::told(action.clone());
        let from: Vec<String> = replaced.iter().cloned().map(delivery::told).collect();
        match action {
            // Of a counter a transaction says what its author has counted there by now.
            Action::Counted(_) => format!("{place} {told} in all"),
            _ if from.is_empty() => format!("{place} {told}"),
            _ => format!("{place} {} -> {told}", from.join(", ")),
        }
    }
}
