//! A file in memory that records what is done to it, and fails when it is told to.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::{Recording, Step};
use crate::storage::RawFile;

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// The device reports an error. What was written since the last sync may be lost, and a sync
    /// after this one reports nothing any more.
    Error,
    /// There is no space left. Nothing is lost.
    Full,
    /// The file ends before what was asked for.
    Short,
}

impl Trouble {
    fn error(self) -> io::Error {
        match self {
            Self::Error => io::Error::other("the device failed, as it was told to"),
            Self::Full => ErrorKind::StorageFull.into(),
            Self::Short => ErrorKind::UnexpectedEof.into(),
        }
    }
}

/// A file in memory. Clones are the same file.
#[derive(Clone, Default, Debug)]
pub struct FaultyFile(Arc<Mutex<Disk>>);

#[derive(Default, Debug)]
struct Disk {
    /// As a process sees it.
    bytes: Vec<u8>,
    recording: Recording,
    calls: usize,
    trouble: Option<(usize, Trouble)>,
}

impl FaultyFile {
    /// A file that holds these bytes, all of them durable.
    pub fn new(bytes: Vec<u8>) -> Self {
        let recording = Recording { start: bytes.clone(), steps: Vec::new() };
        Self(Arc::new(Mutex::new(Disk { bytes, recording, calls: 0, trouble: None })))
    }

    /// What was done to it so far.
    pub fn recording(&self) -> Recording {
        self.disk().recording.clone()
    }

    /// How many steps were done to it so far.
    pub fn steps(&self) -> usize {
        self.disk().recording.steps.len()
    }

    /// How many calls there were so far.
    pub fn calls(&self) -> usize {
        self.disk().calls
    }

    /// What a process that opens it now finds.
    pub fn bytes(&self) -> Vec<u8> {
        self.disk().bytes.clone()
    }

    /// Lets one call go wrong: the one before which there were `calls`.
    pub fn fail_at(&self, calls: usize, trouble: Trouble) {
        self.disk().trouble = Some((calls, trouble));
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked has failed anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk();
        disk.calls += 1;
        match disk.trouble {
            Some((at, trouble)) if at + 1 == disk.calls => {
                if trouble == Trouble::Error {
                    disk.recording.steps.push(Step::FailedSync);
                }
                Err(trouble.error())
            }
            _ => Ok(disk),
        }
    }
}

impl RawFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.call()?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.call()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = start.checked_add(out.len()).and_then(|end| disk.bytes.get(start..end));
        out.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.step(Step::Write { offset, bytes: data.to_vec() })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(Step::SetLen(usize::try_from(length).map_err(io::Error::other)?))
    }

    fn sync(&self) -> io::Result<()> {
        self.step(Step::Sync)
    }
}

impl FaultyFile {
    fn step(&self, step: Step) -> io::Result<()> {
        let mut disk = self.call()?;
        step.apply(&mut disk.bytes);
        disk.recording.steps.push(step);
        Ok(())
    }
}
