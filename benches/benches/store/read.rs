//! Reads of one small object.

use rejoin_benches::mix;
use rejoin_replica::Store;

use crate::measure::{Result, Table, median, micros, timed};
use crate::workload::{Objects, filled_engine, filled_store, key, pick, read_engine};

const READS: u64 = 20_000;

pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("objects.rejoin");
    let (store, objects) = filled_store(&path)?;
    let engine = filled_engine(&folder.path().join("objects.redb"))?;
    store.close()?;
    drop((objects, store));
    let store = Store::open(&path)?;
    let objects: Objects = store.open_space("objects")?;
    let cold = read(&objects, |n| pick(n + 7_000_000), 200)?;
    let mut engine_reads = Vec::new();
    for n in 0..READS {
        let (length, took) = timed(|| read_engine(&engine, pick(n)));
        assert_eq!(length?, 100);
        engine_reads.push(took);
    }
    let engine = micros(median(&mut engine_reads));
    let warm = {
        read(&objects, pick, READS)?;
        read(&objects, pick, READS)?
    };
    let hot = read(&objects, |n| mix(n) % 100, READS)?;
    let measured = format!("{warm:.2} us, of 100 hot ones {hot:.2} us, redb {engine:.2} us");
    table.row("point read of a small object", measured, "<= 2 us");
    let measured = format!("{cold:.2} us");
    table.row("... the first after a start, blocks not read yet", measured, "-");
    Ok(())
}

/// Returns the median time of a read, in microseconds.
fn read(objects: &Objects, pick: impl Fn(u64) -> u64, reads: u64) -> Result<f64> {
    let mut times = Vec::new();
    for n in 0..reads {
        let key = key(pick(n));
        let (value, took) = timed(|| objects.object(&key).get());
        assert_eq!(value?.map(|value| value.len()), Some(100));
        times.push(took);
    }
    Ok(micros(median(&mut times)))
}
