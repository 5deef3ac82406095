//! The commands of a script. A store's name may have the name of a space behind it: `north/orders`;
//! without one it is the space `carts`.
//!
//! - `store a [memory N]`, `store b joins a`; `create a orders`, `join b orders of a`, `rename`,
//!   `remove`
//! - `a: <edit>`; with `buffered`, `once KEY`, `as NAME`, `times N` or `nested` before the colon
//! - `a <-> b` is a session of two seconds; `connect`, `disconnect`, `wait MILLIS` are its parts
//! - `kill`, `close`, `open a [as a copy]`; `copy a as b` copies the disk, `image a as NAME` and
//!   `put a NAME` keep one and put it back
//! - `fill`, `heal`, `break a after N writes`, `replace`, `damage a record N`, `damage a
//!   state`, `clock a MILLIS`
//! - `show`, `seats`, `read`, `count`, `vector`, `log`, `reports`, `watch`, `conflicts`, `receipt`,
//!   `forks`, `export`, `progress`, `formers`, `verify`, `same` look at a store; `keep`, `accept`,
//!   `flush`, `compact` change it

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rejoin_crdts::{Doc, PnCounter};
use rejoin_replica::ops::Depth;
use rejoin_replica::storage::StorageError;
use rejoin_replica::{Accepted, Keep, Loss, Removal, Space, Store, StoreError};

use crate::disk::Disk;
use crate::edit::{self, CART};
use crate::shown;
use crate::site::Site;
use crate::world::{Output, World, refused};

/// The space of a store, unless another one is named.
const CARTS: &str = "carts";
/// The key of the seats of a space.
pub(crate) const SEATS: &str = "seats";

/// Splits `north/orders`.
pub(crate) fn store_and_space(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, CARTS))
}

/// Runs a command.
pub(crate) fn run(world: &mut World, line: &str) -> Output {
    if let Some((head, edit)) = line.split_once(": ") {
        return edit::run(world, head, edit);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let none = || Err(format!("what is {line:?}?"));
    connections(world, &words)
        .or_else(|| stores(world, &words))
        .or_else(|| disks(world, &words))
        .or_else(|| looks_at_store(world, &words))
        .or_else(|| looks(world, &words))
        .or_else(|| changes(world, &words))
        .unwrap_or_else(none)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// Shows a result of the library.
fn told<R>(result: Result<R, StoreError>, show: impl FnOnce(R) -> Vec<String>) -> Output {
    Ok(result.map_or_else(|error| refused(&error), show))
}

fn nothing<R>(_: R) -> Vec<String> {
    Vec::new()
}

fn connections(world: &mut World, words: &[&str]) -> Option<Output> {
    Some(match words {
        [a, "<->", b] => world.meet(a, b),
        ["connect", a, b] => world.connect(a, b),
        ["disconnect", a, b] => {
            world.disconnect(a, b);
            Ok(Vec::new())
        }
        ["wait", millis] => number(millis).map(|millis| world.wait(millis)),
        _ => return None,
    })
}

fn stores(world: &mut World, words: &[&str]) -> Option<Output> {
    Some(match words {
        ["store", name] => new_store(world, name, None, None),
        ["store", name, "memory", bytes] => match number(bytes) {
            Ok(bytes) => new_store(world, name, None, Some(bytes)),
            Err(error) => Err(error),
        },
        ["store", name, "joins", other] => new_store(world, name, Some(other), None),
        ["create", name, space] => add(world, name, space, |store| store.create_space(space)),
        ["join", name, space, "of", other] => join(world, name, space, other),
        ["rename", name, old, "to", new] => rename(world, name, old, new),
        ["remove", name, space] => remove(world, name, space, Removal::IfHeld),
        ["remove", name, space, "anyway"] => remove(world, name, space, Removal::Anyway),
        ["open", name] => open(world, name, false),
        ["open", name, "as", "a", "copy"] => open(world, name, true),
        ["close", name] => close(world, name),
        ["kill", name] => {
            world.disconnect_all(name);
            world.site_mut(name).map(Site::kill).map(nothing)
        }
        _ => return None,
    })
}

fn new_store(world: &mut World, name: &str, other: Option<&str>, memory: Option<usize>) -> Output {
    let mut site = Site::new(name, Arc::default(), &world.elapsed);
    if let Some(bytes) = memory {
        (site.config.memtable_bytes, site.config.cache_bytes) = (bytes, bytes);
    }
    site.open(false).map_err(|error| error.to_string())?;
    world.sites.push(site);
    match other {
        None => add(world, name, CARTS, |store| store.create_space(CARTS)),
        Some(other) => join(world, name, CARTS, other),
    }
}

fn add(
    world: &mut World,
    name: &str,
    space: &str,
    add: impl FnOnce(&Store) -> Result<Space<Doc>, StoreError>,
) -> Output {
    let site = world.site_mut(name)?;
    let added = add(site.store()?);
    told(added, |added| nothing(site.spaces.insert(space.to_owned(), added)))
}

fn join(world: &mut World, name: &str, space: &str, other: &str) -> Output {
    let (other, theirs) = store_and_space(other);
    let theirs = if theirs == CARTS { space } else { theirs };
    let ticket = world.site(other)?.space(theirs)?.ticket().clone();
    add(world, name, space, |store| store.join_space(space, &ticket))
}

fn rename(world: &mut World, name: &str, old: &str, new: &str) -> Output {
    let site = world.site_mut(name)?;
    let renamed = site.store()?.rename_space(old, new);
    told(renamed, |()| {
        if let Some(space) = site.spaces.remove(old) {
            site.spaces.insert(new.to_owned(), space);
        }
        Vec::new()
    })
}

/// Removes a space; the handle of it stays, as a program may have one.
fn remove(world: &World, name: &str, space: &str, removal: Removal) -> Output {
    told(world.site(name)?.store()?.remove_space(space, removal), nothing)
}

fn open(world: &mut World, name: &str, is_copy: bool) -> Output {
    told(world.site_mut(name)?.open(is_copy), nothing)
}

fn close(world: &mut World, name: &str) -> Output {
    world.disconnect_all(name);
    let site = world.site_mut(name)?;
    let closed = site.store()?.close();
    site.watches.clear();
    site.spaces.clear();
    site.store = None;
    told(closed, nothing)
}

fn disks(world: &mut World, words: &[&str]) -> Option<Output> {
    let done = match words {
        ["copy", name, "as", other] => world.site(name).map(|site| site.disk.copy()).map(|disk| {
            world.sites.push(Site::new(other, disk, &world.elapsed));
        }),
        ["image", name, "as", image] => {
            let copied = world.site(name).map(|site| site.disk.copy());
            copied.map(|disk| _ = world.images.insert((*image).to_owned(), disk))
        }
        ["put", name, image] => put(world, name, image),
        ["fill", name] => fail(world, name, "0", StorageError::Full),
        ["heal", name] => world.site(name).map(|site| site.disk.heal()),
        ["break", name, "after", writes, "writes"] => {
            fail(world, name, writes, StorageError::Io("the power is gone".to_owned()))
        }
        ["replace", name] => {
            let file = PathBuf::from(format!("{name}.rejoin"));
            fail(world, name, "0", StorageError::Replaced(file))
        }
        ["damage", name, "state"] => world.site(name).map(|site| site.disk.flip_state()),
        ["damage", name, "record", record] => world.site(name).and_then(|site| {
            let record = number(record)?;
            site.disk.flip(record)
        }),
        ["clock", name, millis] => world.site(name).and_then(|site| {
            site.clock.error.store(number(millis)?, Ordering::Relaxed);
            Ok(())
        }),
        _ => return None,
    };
    Some(done.map(nothing))
}

fn put(world: &mut World, name: &str, image: &str) -> Result<(), String> {
    let image = world.images.get(image).ok_or("there is no such image")?;
    let disk: Arc<Disk> = image.copy();
    let site = world.site_mut(name)?;
    if site.store.is_some() {
        return Err(format!("{name} is open"));
    }
    site.disk = disk;
    Ok(())
}

fn fail(world: &World, name: &str, writes: &str, error: StorageError) -> Result<(), String> {
    world.site(name)?.disk.fail_after(number(writes)?, error);
    Ok(())
}

/// Looks at a store, and changes nothing.
fn looks(world: &mut World, words: &[&str]) -> Option<Output> {
    let [verb, name, arguments @ ..] = words else { return None };
    let (store, space) = store_and_space(name);
    if let ("watch", []) = (*verb, arguments) {
        return Some(watch(world, store, space));
    }
    let found = world.site(store).and_then(|site| Ok((site, site.space(space)?)));
    let (site, space) = match found {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    Some(match (*verb, arguments) {
        ("show", []) => read(space.object(CART).value()),
        ("seats", []) => {
            site.seats(store_and_space(name).1).and_then(|seats| read(seats.object(SEATS).value()))
        }
        ("read", [place]) => read(space.object(CART).at::<PnCounter>(place).value()),
        ("count", [place]) => {
            read(space.object(CART).at::<Doc>(place).names().map(|all| all.len()))
        }
        ("vector", []) => match space.version_vector() {
            Ok(vector) => world.names.vector(&vector).map(|shown| vec![shown]),
            Err(error) => Ok(refused(&error)),
        },
        ("reports", []) => {
            told(space.take_reports(), |all| all.iter().map(shown::report).collect())
        }
        ("conflicts", []) => told(space.conflicts().oldest_first().page(usize::MAX), |all| {
            all.iter().map(ToString::to_string).collect()
        }),
        ("receipt", [label]) => receipt(world, space, label),
        ("forks", []) => told(space.forks(), |all| all.iter().map(shown::fork).collect()),
        ("formers", []) => told(space.incarnations(), |all| {
            let shown = all.iter().map(|told| {
                format!("{} goes on from {}:{}", told.id, told.predecessor, told.counter)
            });
            shown.collect()
        }),
        ("export", [origin]) => world.names.id(origin).and_then(|origin| {
            space
                .export_branch(origin)
                .map_or_else(|error| Ok(refused(&error)), |bytes| shown::branch(&bytes))
        }),
        ("progress", []) => told(space.progress(), |progress| vec![shown::progress(&progress)]),
        ("same", [other]) => same(world, space, other),
        _ => return None,
    })
}

fn read<R: std::fmt::Display>(value: Result<R, rejoin_crdts::ReadError>) -> Output {
    Ok(vec![value.map_or_else(|error| format!("refused: {error}"), |value| value.to_string())])
}

/// Looks at what concerns all spaces of a store.
fn looks_at_store(world: &World, words: &[&str]) -> Option<Output> {
    let &[verb @ ("spaces" | "log" | "verify"), name] = words else { return None };
    Some(world.site(name).and_then(|site| match verb {
        "spaces" => told(site.store()?.spaces(), |names| vec![names.join(", ")]),
        "log" => Ok(vec![format!("records: {}", site.disk.records())]),
        _ => {
            let found = site.store()?.verify(Depth::Replayed, &mut |_| ControlFlow::Continue(()));
            Ok(match found {
                Ok(found) if found.is_sound() => found.spaces.iter().map(shown::checked).collect(),
                Ok(found) => found.findings.iter().map(ToString::to_string).collect(),
                Err(error) => vec![format!("refused: {error}")],
            })
        }
    }))
}

fn watch(world: &mut World, store: &str, name: &str) -> Output {
    let site = world.site_mut(store)?;
    if let Some(watch) = site.watches.get(name) {
        let mut said = Vec::new();
        loop {
            match watch.try_next() {
                Ok(Some(change)) => said.push(shown::change(&change)),
                Ok(None) => return Ok(said),
                Err(lagged) => said.push(lagged.to_string()),
            }
        }
    }
    let watch = site.space(name)?.watch();
    told(watch, |watch| nothing(site.watches.insert(name.to_owned(), watch)))
}

fn receipt(world: &World, space: &Space<Doc>, label: &str) -> Output {
    let receipt = world.receipts.get(label).ok_or("there is no such receipt")?;
    let told_now = space.receipt(*receipt).and_then(|now| Ok((now, space.held_by(&now)?)));
    told(told_now, |(now, holders)| {
        let mut names: Vec<String> = holders.iter().map(ToString::to_string).collect();
        names.iter_mut().for_each(|name| *name = world.names.shorten(name));
        names.sort();
        let held = if names.is_empty() { "nobody else known".to_owned() } else { names.join(", ") };
        vec![format!("{}; held by {held}", shown::receipt(&now))]
    })
}

fn same(world: &World, space: &Space<Doc>, other: &str) -> Output {
    let (store, theirs) = store_and_space(other);
    let theirs = world.site(store)?.space(theirs)?.digest();
    let both = space.digest().and_then(|ours| Ok((ours, theirs?)));
    told(both, |(ours, theirs)| vec![if ours == theirs { "yes" } else { "no" }.to_owned()])
}

/// Does something to a store that is no edit.
fn changes(world: &World, words: &[&str]) -> Option<Output> {
    let [verb, name, arguments @ ..] = words else { return None };
    let (store, space) = store_and_space(name);
    let (site, space) = match world.site(store).and_then(|site| Ok((site, site.space(space)?))) {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    let accepted = |done: Accepted| {
        let Accepted { lost, rewritten, waiting, .. } = done;
        vec![format!("{lost} lost, {rewritten} rewritten, {waiting} waiting")]
    };
    Some(match (*verb, arguments) {
        ("keep", [origin]) => world
            .names
            .id(origin)
            .and_then(|origin| told(space.resolve_fork(origin, Keep::Ours), nothing)),
        ("accept", []) => told(space.accept_loss(Loss::Unseen), accepted),
        ("accept", ["for", "good"]) => told(space.accept_loss(Loss::ForGood), accepted),
        ("flush", []) => told(space.flush(), nothing),
        ("compact", []) => site.store().map(|store| {
            let compacted = store.compact(&mut |_| ControlFlow::Continue(()));
            compacted.map_or_else(|error| vec![format!("refused: {error}")], nothing)
        }),
        _ => return None,
    })
}
