//! A file to which nothing is written before the first commit.
//!
//! redb repairs while it opens, and may refuse in the end what it has written to by then; and a
//! page that is damaged may be met only when it is read. A file that is refused has to stay as it
//! is: its owner may know better how to save it. So the steps of a repair are held back, in their
//! order, and taken once the file is [accepted](HeldBack::accept).

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::summed_file::SummedFile;

/// A file, and what is still to be done to it. Clones are the same file.
#[derive(Clone, Debug)]
pub(super) struct HeldBack {
    file: Arc<SummedFile>,
    /// `None` once the file is accepted.
    steps: Arc<Mutex<Option<Vec<Step>>>>,
}

#[derive(Debug)]
enum Step {
    Write { offset: u64, bytes: Vec<u8> },
    Resize(u64),
    Sync,
}

impl HeldBack {
    pub(super) fn new(file: SummedFile) -> Self {
        Self { file: Arc::new(file), steps: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// The file below, without the steps.
    pub(super) fn file(&self) -> &SummedFile {
        &self.file
    }

    /// Takes the steps that were held back, and holds back no more.
    ///
    /// # Errors
    /// When the file cannot be written; it is as after a crash then.
    pub(super) fn accept(&self) -> io::Result<()> {
        for step in self.steps().take().unwrap_or_default() {
            match step {
                Step::Write { offset, bytes } => self.file.write(offset, &bytes)?,
                Step::Resize(length) => self.file.set_len(length)?,
                Step::Sync => self.file.sync_data()?,
            }
        }
        Ok(())
    }

    fn steps(&self) -> MutexGuard<'_, Option<Vec<Step>>> {
        // Steps are added whole: a panic elsewhere leaves the list as it was.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the step was held back; otherwise it is to be taken now.
    fn hold(&self, step: impl FnOnce() -> Step) -> bool {
        self.steps().as_mut().map(|steps| steps.push(step())).is_some()
    }
}

/// How long the file is after some steps.
fn length(file: u64, steps: &[Step]) -> u64 {
    steps.iter().fold(file, |length, step| match step {
        Step::Write { offset, bytes } => length.max(offset + bytes.len() as u64),
        Step::Resize(length) => *length,
        Step::Sync => length,
    })
}

/// Does to a piece of the file at `start` what a step does to the file.
fn replay(step: &Step, start: u64, piece: &mut [u8]) {
    match step {
        Step::Write { offset, bytes } => {
            let at =
                |place: u64| usize::try_from(place.saturating_sub(start)).unwrap_or(usize::MAX);
            let skipped = usize::try_from(start.saturating_sub(*offset)).unwrap_or(usize::MAX);
            let into = piece.get_mut(at(*offset)..).unwrap_or_default();
            let from = bytes.get(skipped..).unwrap_or_default();
            into.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
        }
        Step::Resize(length) => {
            let kept = usize::try_from(length.saturating_sub(start)).unwrap_or(usize::MAX);
            piece.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        }
        Step::Sync => {}
    }
}

impl StorageBackend for HeldBack {
    fn len(&self) -> io::Result<u64> {
        let file = self.file.len()?;
        Ok(self.steps().as_ref().map_or(file, |steps| length(file, steps)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let steps = self.steps();
        let Some(steps) = steps.as_deref().filter(|steps| !steps.is_empty()) else {
            drop(steps);
            return self.file.read(offset, out);
        };
        let file = self.file.len()?;
        if offset + out.len() as u64 > length(file, steps) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let there = usize::try_from(file.saturating_sub(offset)).unwrap_or(usize::MAX);
        let there = there.min(out.len());
        self.file.read(offset, out.get_mut(..there).unwrap_or_default())?;
        steps.iter().for_each(|step| replay(step, offset, out));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if self.hold(|| Step::Resize(length)) { Ok(()) } else { self.file.set_len(length) }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.hold(|| Step::Sync) { Ok(()) } else { self.file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let step = || Step::Write { offset, bytes: data.to_vec() };
        if self.hold(step) { Ok(()) } else { self.file.write(offset, data) }
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::FileBackend;

    use super::*;

    /// What is read before acceptance is what the file holds after it, whatever the steps.
    #[test]
    fn reads_see_the_steps_and_the_file_does_not() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        let before: Vec<u8> = (0..100).collect();
        std::fs::write(&path, &before)?;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path)?;
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        let held = HeldBack::new(SummedFile::new(Box::new(file))?);
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
