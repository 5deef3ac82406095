//! A file to which nothing is written before the first commit.
//!
//! redb repairs a file while it opens it, and may refuse it in the end, when it has already written
//! to it; and a damaged page may be found only when it is read. A file that is refused has to stay
//! as it is: its owner may know better how to save it. So the steps of a repair are held back, in
//! order, and carried out once the file is [accepted](DeferredWrites::accept).
//!
//! The same helps with a full medium. redb is of no use after a failed write, so another engine
//! takes the file over, in this process and under the same lock: it repairs without writing, serves
//! reads, and writes once there is room. The engine before it is *retired*: nothing that it still
//! does reaches the file.

use std::collections::VecDeque;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::checksummed_file::{ChecksummedFile, index, put};

/// A file as one engine sees it, with the steps that are held back. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct DeferredWrites {
    file: Arc<ChecksummedFile>,
    /// The steps that are held back; `None` once the file is accepted.
    steps: Arc<Mutex<Option<VecDeque<Step>>>>,
    retired: Arc<AtomicBool>,
    /// True if an engine before this one has locked the file, and left it locked.
    is_locked: bool,
}

#[derive(Debug)]
enum Step {
    Write { offset: u64, bytes: Vec<u8> },
    Resize(u64),
    Sync,
}

impl DeferredWrites {
    pub(super) fn new(file: Arc<ChecksummedFile>) -> Self {
        let steps = Arc::new(Mutex::new(Some(VecDeque::new())));
        Self { file, steps, retired: Arc::default(), is_locked: false }
    }

    /// Hands the file over to another engine. This one is retired.
    pub(super) fn hand_over(&self) -> Self {
        self.retired.store(true, Ordering::Release);
        Self { is_locked: true, ..Self::new(Arc::clone(&self.file)) }
    }

    /// Returns the file below, without the steps.
    pub(super) fn file(&self) -> &ChecksummedFile {
        &self.file
    }

    /// Carries out the steps that were held back, and holds back no more.
    ///
    /// # Errors
    /// When the file cannot be written. The steps that were not carried out are still held back.
    pub(super) fn accept(&self) -> io::Result<()> {
        let mut held = self.steps();
        while let Some(step) = held.as_ref().and_then(VecDeque::front) {
            match step {
                Step::Write { offset, bytes } => self.file.write(*offset, bytes)?,
                Step::Resize(length) => self.file.set_len(*length)?,
                Step::Sync => self.file.sync_data()?,
            }
            held.as_mut().into_iter().for_each(|steps| drop(steps.pop_front()));
        }
        *held = None;
        Ok(())
    }

    fn live(&self) -> io::Result<&ChecksummedFile> {
        if self.retired.load(Ordering::Acquire) {
            return Err(io::Error::other("another engine has the file by now"));
        }
        Ok(&self.file)
    }

    fn steps(&self) -> MutexGuard<'_, Option<VecDeque<Step>>> {
        // Steps are added whole: a panic elsewhere leaves the list as it was.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a step back, unless the file is accepted. Returns false if it has to be carried out
    /// now.
    fn hold(&self, step: impl FnOnce() -> Step) -> bool {
        self.steps().as_mut().map(|steps| steps.push_back(step())).is_some()
    }
}

/// Returns the length of the file after some steps.
fn length(file: u64, steps: &VecDeque<Step>) -> u64 {
    steps.iter().fold(file, |length, step| match step {
        Step::Write { offset, bytes } => length.max(offset + bytes.len() as u64),
        Step::Resize(length) => *length,
        Step::Sync => length,
    })
}

/// Applies a step to a piece of the file that begins at `start`.
fn replay(step: &Step, start: u64, piece: &mut [u8]) {
    match step {
        Step::Write { offset, bytes } => {
            let skipped = index(start.saturating_sub(*offset));
            let bytes = bytes.get(skipped..).unwrap_or_default();
            put(piece, index(offset.saturating_sub(start)), bytes);
        }
        Step::Resize(length) => {
            let kept = index(length.saturating_sub(start));
            piece.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        }
        Step::Sync => {}
    }
}

impl StorageBackend for DeferredWrites {
    fn len(&self) -> io::Result<u64> {
        let file = self.live()?.len()?;
        Ok(self.steps().as_ref().map_or(file, |steps| length(file, steps)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let below = self.live()?;
        let steps = self.steps();
        let Some(steps) = steps.as_ref().filter(|steps| !steps.is_empty()) else {
            drop(steps);
            return below.read(offset, out);
        };
        let file = below.len()?;
        if offset + out.len() as u64 > length(file, steps) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let there = index(file.saturating_sub(offset)).min(out.len());
        below.read(offset, out.get_mut(..there).unwrap_or_default())?;
        steps.iter().for_each(|step| replay(step, offset, out));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let file = self.live()?;
        if self.hold(|| Step::Resize(length)) { Ok(()) } else { file.set_len(length) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.live()?;
        if self.hold(|| Step::Sync) { Ok(()) } else { file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let file = self.live()?;
        let step = || Step::Write { offset, bytes: data.to_vec() };
        if self.hold(step) { Ok(()) } else { file.write(offset, data) }
    }

    fn close(&self) -> io::Result<()> {
        self.live().map_or(Ok(()), StorageBackend::close)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.is_locked { Ok(true) } else { self.file.try_lock_range(start, end) }
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        let keeps = self.is_locked || self.retired.load(Ordering::Acquire);
        if keeps { Ok(()) } else { self.file.unlock_range(start, end) }
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::FileBackend;

    use super::*;

    /// Checks that reads before acceptance return what the file holds after it.
    #[test]
    fn reads_see_the_steps_and_the_file_does_not() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        let before: Vec<u8> = (0..100).collect();
        std::fs::write(&path, &before)?;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path)?;
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        let held = DeferredWrites::new(Arc::new(ChecksummedFile::new(Box::new(file))?));
        held.write(10, &[200; 20])?;
        held.set_len(25)?;
        held.sync_data()?;
        held.set_len(60)?;
        held.write(55, &[7; 10])?;
        let mut whole = vec![1; 65];
        held.read(0, &mut whole)?;
        let mut piece = vec![1; 40];
        held.read(20, &mut piece)?;
        assert_eq!(piece, whole[20..60]);
        assert_eq!(held.len()?, 65);
        assert!(held.read(60, &mut [0; 6]).is_err());
        assert_eq!(std::fs::read(&path)?, before, "nothing is written before it is accepted");
        held.accept()?;
        assert_eq!(std::fs::read(&path)?, whole);
        held.write(0, &[9])?;
        assert_eq!(std::fs::read(&path)?[0], 9);
        Ok(())
    }
}
