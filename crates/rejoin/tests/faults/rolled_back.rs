//! A store on files that can be set back, copied and backed up, and a peer in memory.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rejoin::crdts::Crdt;
use rejoin::prelude::*;
use rejoin::replica::message::Frames;
use rejoin::replica::ops::{Depth, Finding, Progress};
use rejoin::replica::{Config, LinkError, Now, OpenOptions, Time};

/// A clock that moves when a test wants it to.
#[derive(Default, Debug)]
pub(crate) struct Clock {
    elapsed: AtomicU64,
    stands: AtomicBool,
}

impl Time for Clock {
    fn now(&self) -> Now {
        // Every transaction gets a stamp of its own.
        let elapsed = self.elapsed.fetch_add(1, Ordering::Relaxed);
        let moved = if self.stands.load(Ordering::Relaxed) { 0 } else { elapsed };
        Now { wall: 1_800_000_000_000 + moved, elapsed }
    }
}

/// A directory with stores, and the time they share.
pub(crate) struct Shelf {
    directory: tempfile::TempDir,
    clock: Arc<Clock>,
    config: Config,
}

impl Shelf {
    pub(crate) fn new(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, clock: Arc::default(), config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The store of a name, whose place is proved by a state directory of its own.
    pub(crate) fn open(&self, name: &str) -> Store {
        let options = OpenOptions::new().config(self.config).time(self.clock.clone());
        options.state_dir(self.path(&format!("{name}.state"))).open(self.path(name)).unwrap()
    }

    /// Stops the wall clock, as on a machine without a battery for it that is started again and
    /// again.
    pub(crate) fn stop_the_wall_clock(&self) {
        self.clock.stands.store(true, Ordering::Relaxed);
    }

    /// A store in memory.
    pub(crate) fn memory(&self) -> Store {
        let storage = Arc::new(rejoin::replica::storage::Memory::default());
        Store::with_storage(storage, self.config, self.clock.clone()).unwrap()
    }

    /// Everything of a store, its state directory included, as a machine image has it.
    pub(crate) fn image(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(self.directory.path())
    }

    /// Puts an image back in place.
    pub(crate) fn put_back(&self, image: &[(PathBuf, Vec<u8>)]) {
        for (path, bytes) in image {
            assert!(path.starts_with(self.directory.path()), "an image of this shelf");
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Several sessions one after the other, with enough time in each for every timer.
    pub(crate) fn meet<T: Crdt>(&self, a: &Space<T>, b: &Space<T>) {
        for _ in 0..4 {
            let ends = [a.link(), b.link()];
            let sessions = [ends[0].open().unwrap(), ends[1].open().unwrap()];
            let mut frames = [Frames::default(), Frames::default()];
            for _ in 0..4 {
                if !settle(&ends, sessions, &mut frames) {
                    break;
                }
                self.clock.elapsed.fetch_add(500, Ordering::Relaxed);
                ends.iter().for_each(|link| link.tick().unwrap());
            }
            ends.iter().zip(sessions).for_each(|(link, session)| link.close(session));
        }
    }
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all
}

/// Moves frames until nothing moves. True if the session goes on.
fn settle(
    ends: &[rejoin::replica::Link; 2],
    sessions: [rejoin::replica::SessionId; 2],
    frames: &mut [Frames; 2],
) -> bool {
    let mut moved = true;
    while moved {
        moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            loop {
                let frame = match ends[from].transmit(sessions[from]) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(LinkError::Ended(_)) => return false,
                    Err(error) => panic!("{error}"),
                };
                moved = true;
                frames[to].push(&frame);
                match ends[to].handle(sessions[to], &mut frames[to]) {
                    Ok(()) => {}
                    Err(LinkError::Ended(_)) => return false,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    true
}

pub(crate) fn go_on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Returns the findings of a check.
pub(crate) fn findings(store: &Store) -> Vec<Finding> {
    store.verify(Depth::Replayed, &mut go_on).unwrap().findings
}
