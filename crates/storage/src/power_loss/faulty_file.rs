//! A file in memory that records what is done to it, and fails on request.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::{Recording, Step};
use crate::RawFile;

const PAGE: usize = 4096;

/// The way in which a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// The device reports an error. What was written since the last sync may be lost, and later
    /// syncs report nothing of it.
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
    /// The content as a process sees it.
    bytes: Vec<u8>,
    recording: Recording,
    calls: usize,
    trouble: Option<(usize, Trouble)>,
    room: Option<Room>,
    /// The pages that take room.
    taken: HashSet<usize>,
}

/// The room that is left on a medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Number of pages of 4 KiB.
    pub pages: usize,
    /// True if a page that is written over takes room, too, as on a system that copies on write.
    pub copies: bool,
}

impl FaultyFile {
    /// Makes a file that holds these bytes, all of them durable.
    pub fn new(bytes: Vec<u8>) -> Self {
        let recording = Recording { start: bytes.clone(), steps: Vec::new() };
        let taken = (0..bytes.len().div_ceil(PAGE)).collect();
        Self(Arc::new(Mutex::new(Disk { bytes, recording, taken, ..Disk::default() })))
    }

    /// Limits the room from now on; `None` lifts the limit. A write for which there is not enough
    /// room is there in part.
    pub fn set_room(&self, room: Option<Room>) {
        self.disk().room = room;
    }

    /// Returns the recording of what was done to it so far.
    pub fn recording(&self) -> Recording {
        self.disk().recording.clone()
    }

    /// Returns the number of steps that were done to it so far.
    pub fn steps(&self) -> usize {
        self.disk().recording.steps.len()
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> usize {
        self.disk().calls
    }

    /// Returns the content that a process finds that opens it now.
    pub fn bytes(&self) -> Vec<u8> {
        self.disk().bytes.clone()
    }

    /// Makes one call fail: the one before which there were `calls`.
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

    fn step(&self, step: Step) -> io::Result<()> {
        let mut disk = self.call()?;
        step.apply(&mut disk.bytes);
        disk.recording.steps.push(step);
        Ok(())
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
        let fits = self.disk().fits(offset, data.len());
        self.step(Step::Write { offset, bytes: data.get(..fits).unwrap_or(data).to_vec() })?;
        if fits < data.len() { Err(Trouble::Full.error()) } else { Ok(()) }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(Step::SetLen(usize::try_from(length).map_err(io::Error::other)?))
    }

    fn sync(&self) -> io::Result<()> {
        self.step(Step::Sync)
    }
}

impl Disk {
    /// Returns the number of bytes of a write for which there is room.
    fn fits(&mut self, offset: usize, length: usize) -> usize {
        let mut end = offset;
        while end < offset + length {
            let page = end / PAGE;
            if let Some(room) = &mut self.room
                && (room.copies || !self.taken.contains(&page))
            {
                let Some(left) = room.pages.checked_sub(1) else { break };
                room.pages = left;
            }
            self.taken.insert(page);
            end = (page + 1) * PAGE;
        }
        end.min(offset + length) - offset
    }
}
