//! Work that is the same on every store of values under keys, whoever keeps it on the disk.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::data::{key, place};
use crate::peer::{Bench, Sample, is, timed};
use crate::peers::keyed::ROUND;
use crate::work::{Stored, Work};

/// A store of values under keys.
pub(crate) trait Engine: Send + Sync + Sized + 'static {
    /// Opens what is in a directory, or makes it there.
    fn open(directory: &Path) -> Self;

    /// Puts a value under each of the keys, in one durable transaction.
    fn put(&self, keys: &[String], value: &[u8]);

    fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// Closes it as a program does that ends.
    fn close(self) {}
}

/// Number of bytes of a value.
const LENGTH: usize = 100;
/// Number of updates of the transactions that fill a store.
const FILL: u64 = 1_000;

fn value(round: u64) -> [u8; LENGTH] {
    let mut value = [7; LENGTH];
    value[..8].copy_from_slice(&round.to_be_bytes());
    value
}

/// A store with all objects, each with the value of round 0.
struct Filled<E> {
    engine: E,
    directory: TempDir,
    objects: u64,
    rounds: u64,
}

impl<E: Engine> Filled<E> {
    fn new(objects: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let engine = E::open(directory.path());
        for from in (0..objects).step_by(FILL as usize) {
            let keys: Vec<String> = (from..objects.min(from + FILL)).map(key).collect();
            engine.put(&keys, &value(0));
        }
        Self { engine, directory, objects, rounds: 0 }
    }

    /// Keys at random, for transactions of so many updates.
    fn keys(&mut self, transactions: u64, each: u64) -> Vec<Vec<String>> {
        self.rounds += 1;
        let first = self.rounds * transactions * each;
        let key = |n: u64| key(place(n, self.objects));
        let of = |transaction: u64| (0..each).map(move |n| first + transaction * each + n);
        (0..transactions).map(|transaction| of(transaction).map(key).collect()).collect()
    }
}

/// Gets ready for the work of a store.
pub(crate) fn prepare<E: Engine>(work: Work) -> Option<Bench> {
    let Work::Store { objects, work } = work else { return None };
    Some(match work {
        Stored::Put { each } => puts::<E>(objects, each),
        Stored::Writers { writers } => writes_at_once::<E>(objects, writers),
        Stored::Get => gets::<E>(objects),
        Stored::Open { killed: false } => opens_after_close::<E>(objects),
        Stored::Open { killed: true } => opens_after_kill::<E>(objects),
    })
}

fn puts<E: Engine>(objects: u64, each: u64) -> Bench {
    let mut store = Filled::<E>::new(objects);
    let transactions = (20 / each).max(1);
    Box::new(move || {
        let (keys, value) = (store.keys(transactions, each), value(store.rounds));
        let sample = timed(transactions * each, || {
            keys.iter().for_each(|keys| store.engine.put(keys, &value));
        });
        is(&store.engine.get(&keys[0][0]), &Some(value.to_vec()))?;
        Ok(sample)
    })
}

/// Each writer waits until its update is durable, and then does the next.
fn writes_at_once<E: Engine>(objects: u64, writers: u64) -> Bench {
    const EACH: u64 = 4;
    let mut store = Filled::<E>::new(objects);
    Box::new(move || {
        let all: Vec<_> = (0..writers).map(|_| store.keys(EACH, 1)).collect();
        let (engine, value) = (&store.engine, value(store.rounds));
        let sample = timed(writers * EACH, || {
            std::thread::scope(|scope| {
                for keys in &all {
                    scope.spawn(move || keys.iter().for_each(|keys| engine.put(keys, &value)));
                }
            });
        });
        let last = all.iter().all(|keys| engine.get(&keys[0][0]) == Some(value.to_vec()));
        is(&last, &true)?;
        Ok(sample)
    })
}

fn gets<E: Engine>(objects: u64) -> Bench {
    let mut store = Filled::<E>::new(objects);
    Box::new(move || {
        let keys = store.keys(1, ROUND).remove(0);
        let mut found = 0;
        let sample = timed(ROUND, || {
            for key in &keys {
                found += usize::from(black_box(store.engine.get(key)) == Some(value(0).to_vec()));
            }
        });
        is(&(found as u64), &ROUND)?;
        Ok(sample)
    })
}

/// Opens a store and reads the first object.
fn opens<E: Engine>(directory: &Path) -> (Sample, E, Option<Vec<u8>>) {
    let start = Instant::now();
    let engine = E::open(directory);
    let first = engine.get(&key(0));
    (Sample { units: 1, time: start.elapsed(), ..Sample::default() }, engine, first)
}

fn opens_after_close<E: Engine>(objects: u64) -> Bench {
    let Filled { engine, directory, .. } = Filled::<E>::new(objects);
    engine.close();
    Box::new(move || {
        let (sample, engine, first) = opens::<E>(directory.path());
        engine.close();
        is(&first, &Some(value(0).to_vec()))?;
        Ok(sample)
    })
}

/// Opens a copy of the files of a store that is open and does nothing: what a kill leaves.
fn opens_after_kill<E: Engine>(objects: u64) -> Bench {
    let store = Filled::<E>::new(objects);
    Box::new(move || {
        let left = tempfile::tempdir().expect("a temporary directory");
        copy(store.directory.path(), left.path()).expect("files can be copied");
        let (sample, engine, first) = opens::<E>(left.path());
        engine.close();
        is(&first, &Some(value(0).to_vec()))?;
        Ok(sample)
    })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => _ = fs::copy(entry.path(), to)?,
        }
    }
    Ok(())
}
