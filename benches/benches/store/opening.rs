//! Opening a store of 100,000 objects, after a clean close and after a kill.

use std::path::Path;
use std::time::Duration;

use rejoin_replica::Store;

use crate::measure::{Result, Table, median, timed};
use crate::workload::{OBJECTS, Objects, filled_store, overwrite};

const TIMES: usize = 7;

pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (path, copy) = (folder.path().join("live.rejoin"), folder.path().join("copy.rejoin"));
    let (store, objects) = filled_store(&path)?;
    for n in (0..OBJECTS).step_by(100) {
        overwrite(&objects, n, 100)?;
    }
    let mut killed = Vec::new();
    for _ in 0..TIMES {
        std::fs::copy(&path, &copy)?;
        killed.push(open(&copy)?);
    }
    let entries = objects.stats()?.entries;
    store.close()?;
    drop((objects, store));
    let mut closed = Vec::new();
    for _ in 0..TIMES {
        closed.push(open(&path)?);
    }
    let megabytes = std::fs::metadata(&path)?.len() >> 20;
    println!("opened: {entries} entries in the log, a file of {megabytes} MiB");
    let shown = |times: &mut [(Duration, Duration)]| {
        let mut all: Vec<_> = times.iter().map(|(file, space)| *file + *space).collect();
        let mut file: Vec<_> = times.iter().map(|(file, _)| *file).collect();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:.2} ms ({:.2} of it the file)",
            millis(median(&mut all)),
            millis(median(&mut file))
        )
    };
    table.row("open 100 k objects after a clean close", shown(&mut closed), "<= 5 ms");
    table.row("... after a kill", shown(&mut killed), "<= 25 ms");
    Ok(())
}

/// Returns the time to open the file, and then the space.
fn open(path: &Path) -> Result<(Duration, Duration)> {
    let (store, file) = timed(|| Store::open(path));
    let store = store?;
    let (space, took) = timed(|| store.open_space("objects"));
    let space: Objects = space?;
    assert!(space.object("object-000007").get()?.is_some());
    Ok((file, took))
}
