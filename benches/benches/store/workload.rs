//! The same work for a store and for the engine below it.

use std::path::Path;

use redb::{Database, TableDefinition};
use rejoin_benches::mix;
use rejoin_crdts::LwwRegister;
use rejoin_replica::{Space, Store};

use crate::measure::Result;

/// The number of objects.
pub(crate) const OBJECTS: u64 = 100_000;
/// The number of bytes of each object.
pub(crate) const VALUE_BYTES: usize = 100;

/// The space of the objects.
pub(crate) type Objects = Space<LwwRegister<String>>;

const TABLE: TableDefinition<'_, &str, &str> = TableDefinition::new("objects");

/// Returns the key of an object.
pub(crate) fn key(object: u64) -> String {
    format!("object-{object:06}")
}

/// Returns the `n`-th object to be overwritten.
pub(crate) const fn pick(n: u64) -> u64 {
    mix(n) % OBJECTS
}

/// Returns the `n`-th value: 100 bytes that do not repeat.
pub(crate) fn value(n: u64) -> String {
    (0..).map(|part| format!("{:016x}", mix(n ^ part << 40))).take(7).collect::<String>()
        [..VALUE_BYTES]
        .to_owned()
}

/// Makes a store with all objects, written 1000 at a time.
pub(crate) fn filled_store(path: &Path) -> Result<(Store, Objects)> {
    let store = Store::open(path)?;
    let objects: Objects = store.create_space("objects")?;
    for first in (0..OBJECTS).step_by(1000) {
        objects.transact(|tx| {
            (first..first + 1000).try_for_each(|n| tx.object(&key(n)).set(value(n).as_str()))
        })?;
    }
    Ok((store, objects))
}

/// Overwrites objects, from the `n`-th pick on, in one durable transaction.
pub(crate) fn overwrite(objects: &Objects, n: u64, many: u64) -> Result<()> {
    objects.transact(|tx| {
        (n..n + many).try_for_each(|n| tx.object(&key(pick(n))).set(value(n).as_str()))
    })?;
    Ok(())
}

/// Makes the engine's database with all objects.
pub(crate) fn filled_engine(path: &Path) -> Result<Database> {
    let engine = Database::create(path)?;
    for first in (0..OBJECTS).step_by(1000) {
        put(&engine, (first..first + 1000).map(|n| (key(n), value(n))))?;
    }
    Ok(engine)
}

/// Like [`overwrite`], with the engine alone.
pub(crate) fn overwrite_engine(engine: &Database, n: u64, many: u64) -> Result<()> {
    put(engine, (n..n + many).map(|n| (key(pick(n)), value(n))))
}

fn put(engine: &Database, values: impl Iterator<Item = (String, String)>) -> Result<()> {
    let write = engine.begin_write()?;
    {
        let mut table = write.open_table(TABLE)?;
        for (key, value) in values {
            table.insert(key.as_str(), value.as_str())?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Reads one value with the engine alone.
pub(crate) fn read_engine(engine: &Database, object: u64) -> Result<usize> {
    use redb::ReadableDatabase;
    let table = engine.begin_read()?.open_table(TABLE)?;
    Ok(table.get(key(object).as_str())?.map_or(0, |value| value.value().len()))
}
