//! Edits of a cart, and of the seats beside it: `<store> [how]: <edit>; <edit>`.

use rejoin_crdts::{Doc, EditError, RetiredIds};
use rejoin_replica::{Durability, Once, Receipt, Space, StoreError};

use crate::command::{SEATS, store_and_space};
use crate::edits::{self, Nodes};
use crate::shown;
use crate::world::{Output, World, refused};

/// The key of the cart of a space.
pub(crate) const CART: &str = "cart";

/// The way in which an edit is made.
#[derive(Default)]
struct How {
    /// The name under which the receipt is kept.
    label: Option<String>,
    key: String,
    is_buffered: bool,
    is_nested: bool,
    times: u64,
}

impl How {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut how = Self { times: 1, ..Self::default() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().ok_or_else(|| format!("{word} what?"));
            match *word {
                "buffered" => how.is_buffered = true,
                "nested" => how.is_nested = true,
                "once" => how.key = (*next()?).to_owned(),
                "as" => how.label = Some((*next()?).to_owned()),
                "times" => how.times = next()?.parse().map_err(|_| "how many times?")?,
                other => return Err(format!("how is {other:?}?")),
            }
        }
        Ok(how)
    }
}

/// Makes an edit as a transaction, and shows its receipt.
pub(crate) fn run(world: &mut World, head: &str, edit: &str) -> Output {
    let words: Vec<&str> = head.split_whitespace().collect();
    let [who, how @ ..] = words.as_slice() else { return Err("who?".to_owned()) };
    let (store, space) = store_and_space(who);
    if edit.starts_with("seats ") {
        return edit_seats(world, store, space, edit);
    }
    let how = How::parse(how)?;
    let mut space = world.site(store)?.space(space)?.clone();
    if how.is_buffered {
        space = space.with_durability(Durability::Buffered);
    }
    let mut said = Vec::new();
    for number in 1..=how.times {
        let edit = edit.replace("{n}", &number.to_string());
        said.clear();
        let done = transact(&space, &how, &edit, &mut world.nodes, &mut said)?;
        match done {
            Ok(once) => {
                said.push(shown_once(&once));
                if let Some(label) = &how.label {
                    world.receipts.insert(label.clone(), *once.receipt());
                }
            }
            Err(error) => {
                said.extend(refused(&error));
                break;
            }
        }
    }
    Ok(said)
}

type Done = Result<Once<()>, StoreError>;

fn transact(
    space: &Space<Doc>,
    how: &How,
    edit: &str,
    nodes: &mut Nodes,
    said: &mut Vec<String>,
) -> Result<Done, String> {
    let mut wrong = None;
    let done = space.transact_once(how.key.as_bytes(), |tx| {
        if how.is_nested {
            let inner = space.transact(|_| Ok(())).map(|done| shown::receipt(&done));
            said.push(format!("inside: {}", inner.unwrap_or_else(|error| error.to_string())));
        }
        let mut doc = tx.object(CART);
        edit.split("; ").try_for_each(|one| {
            edits::perform(&mut doc, one, nodes).unwrap_or_else(|error| {
                wrong = Some(error);
                Err(EditError::Aborted("the script is wrong".to_owned()))
            })
        })
    });
    wrong.map_or(Ok(done), Err)
}

fn shown_once(once: &Once<()>) -> String {
    let shown = |receipt: &Receipt| shown::receipt(receipt);
    match once {
        Once::First(done) => shown(done),
        Once::Repeated(receipt) => format!("repeated: {}", shown(receipt)),
        Once::DoneByFormer(receipt) => format!("done by a former id: {}", shown(receipt)),
    }
}

/// Changes the seats: as in the scripts of rejoin-crdts, or `seats reclaim r1 r2`.
fn edit_seats(world: &World, store: &str, space: &str, edit: &str) -> Output {
    let (seats, ids) = (world.site(store)?.seats(space)?, world.ids());
    let done = if let Some(retired) = edit.strip_prefix("seats reclaim ") {
        let retired: Result<Vec<_>, String> =
            retired.split_whitespace().map(|name| world.names.id(name)).collect();
        let retired = RetiredIds::assume_retired(retired?);
        let reclaimed = seats.transact(|tx| tx.object(SEATS).reclaim(&retired));
        reclaimed.map(|done| vec![format!("{} reclaimed", done.value), shown::receipt(&done)])
    } else {
        let mut wrong = None;
        let done = seats.transact(|tx| {
            edits::seats(&mut tx.object(SEATS), edit, &ids).unwrap_or_else(|error| {
                wrong = Some(error);
                Ok(())
            })
        });
        if let Some(error) = wrong {
            return Err(error);
        }
        done.map(|done| vec![shown::receipt(&done)])
    };
    Ok(done.unwrap_or_else(|error| refused(&error)))
}
