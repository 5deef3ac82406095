//! A file whose pages are compared with their checksums when they are read.
//!
//! redb compares checksums only while it checks a whole file, which costs as much as reading it.
//! Without that check a flipped bit reads as the absence of records, or as a loop. So the checksum
//! of every page is kept here, in memory while the file is open, and behind the end of the file
//! once it is closed; each page that is read is compared with its checksum. A file that was not
//! closed has no checksums behind its end, and the engine checks all of it.
//!
//! ```text
//! pages of the engine · checksums, 4 bytes each · blank · checksum of all that, count, mark
//! ```
//!
//! The first page also has a line that the engine does not use: the number of the last commit that
//! was acknowledged. The engine takes a commit that is not whole for one under way when the power
//! failed, and goes back to the one before. If the commit that is not whole was acknowledged, that
//! is damage. The line is written after the sync and not synced itself: after a power loss it may
//! lag behind, but it is never ahead.
//!
//! A write for which there is no room leaves unknown bytes in pages that nothing refers to yet; the
//! file may be written to again. After a failed sync, or any other failed write, it is not: the
//! system may have dropped what was written before, and the next sync would not say so.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{BackendError, StorageBackend};

use super::beside;
use crate::StorageError;

pub(super) const PAGE: usize = 4096;
pub(super) const PAGE_BYTES: u64 = PAGE as u64;
/// Length of the engine's header at the front of the first page.
const HEADER: usize = 320;
const MARK: [u8; 8] = *b"pagesums";
/// Length of the footer: checksum, count of the pages, mark.
const FOOTER: usize = 4 + 8 + MARK.len();
/// Offset of the line in the first page that says what was acknowledged.
const ACKNOWLEDGED_AT: usize = 2048;
/// The value of a checksum that is not known.
const UNKNOWN: u32 = 0;

/// A file, the checksums of its pages, and what was acknowledged.
#[derive(Debug)]
pub(super) struct ChecksummedFile {
    file: Box<dyn StorageBackend>,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// The length of the file as the engine sees it.
    length: u64,
    sums: Vec<u32>,
    first_page: Vec<u8>,
    /// True if there may be something behind the engine's end.
    has_tail: bool,
    /// True if the checksums of all pages were known when the file was opened.
    was_known: bool,
    /// The number of the last commit that was acknowledged, as the file says.
    acknowledged: u64,
    written: bool,
    /// The page that was found damaged; the engine reads nothing more after it.
    damaged: Option<usize>,
    /// True if a sync failed, or a write failed for another reason than lack of room. Nobody knows
    /// then what the file holds, so it is not written to again.
    failed: bool,
    /// True if readers beside are told that the file is being changed.
    is_changing: bool,
}

/// Returns the number of the commit that a header names; `None` if the header is not one that we
/// know.
pub(super) fn commit_number(header: &[u8]) -> Option<u64> {
    let god_byte = header.get(9)?;
    let slot = header.get(64 + 128 * usize::from(god_byte & 1)..)?;
    if !header.starts_with(b"redb") || *slot.first()? != 3 {
        return None;
    }
    u64_at(slot, 104)
}

/// Returns true if the engine closed the file in order.
fn is_closed(header: &[u8]) -> bool {
    header.get(9).is_some_and(|god_byte| god_byte & 2 == 0)
}

fn sum(page: &[u8]) -> u32 {
    crc32fast::hash(page).max(UNKNOWN + 1)
}

pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}

impl ChecksummedFile {
    /// Takes a file, and reads the checksums behind its end.
    pub(super) fn new(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let length = file.len()?;
        let mut first_page = vec![0; PAGE];
        if length >= PAGE_BYTES {
            file.read(0, &mut first_page)?;
        }
        let acknowledged = read_acknowledged(&first_page);
        let found = read_tail(&*file, length, &first_page)?;
        let was_known = found.is_some();
        let of_engine = engine_length(&first_page, length);
        let sums = found.unwrap_or_else(|| vec![UNKNOWN; index(of_engine / PAGE_BYTES)]);
        let state = State {
            length: of_engine,
            sums,
            first_page,
            has_tail: of_engine != length,
            was_known,
            acknowledged,
            written: false,
            damaged: None,
            failed: false,
            is_changing: false,
        };
        Ok(Self { file, state: RwLock::new(state) })
    }

    /// Returns true if everything that is read will be compared, so that the engine need not check
    /// it first.
    pub(super) fn is_known(&self) -> bool {
        self.state().was_known
    }

    /// Returns the number of the last commit that was acknowledged, as far as the file says.
    pub(super) fn acknowledged(&self) -> u64 {
        self.state().acknowledged
    }

    /// Returns the damage that was found, if any.
    pub(super) fn damage(&self) -> Option<StorageError> {
        self.state().damaged.map(Self::damaged)
    }

    fn damaged(number: usize) -> StorageError {
        StorageError::Damaged(format!("page {number} of the file is not what was written"))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // Each field is changed by itself, after the file.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares whole pages that were read with their checksums.
    fn compare(&self, first: usize, bytes: &[u8]) -> io::Result<()> {
        let mut unknown = Vec::new();
        let state = self.state();
        for (number, page) in (first..).zip(bytes.chunks_exact(PAGE)) {
            match state.sums.get(number) {
                // The engine itself checks what it writes there.
                _ if number == 0 => {}
                _ if rejoin_vclock::mutant!("pages-not-compared") => {}
                Some(&UNKNOWN) | None => unknown.push((number, sum(page))),
                Some(&known) if known == sum(page) => {}
                Some(_) => {
                    drop(state);
                    self.state_mut().damaged = Some(number);
                    return Err(ErrorKind::InvalidData.into());
                }
            }
        }
        drop(state);
        if !unknown.is_empty() {
            let mut state = self.state_mut();
            for (number, sum) in unknown {
                state.sums.get_mut(number).into_iter().for_each(|known| *known = sum);
            }
        }
        Ok(())
    }

    /// Compares all pages whose checksums are known with what the medium has now. Others may read
    /// and write meanwhile.
    pub(super) fn verify(&self) -> Result<(), StorageError> {
        let mut page = vec![0; PAGE];
        let mut number = 1;
        // The count grows while others write.
        while number < self.state().sums.len() {
            if !self.is_as_known(number, &mut page)? {
                return Err(Self::damaged(number));
            }
            number += 1;
        }
        Ok(())
    }

    /// Compares a page with its checksum, if that is known. Nobody can change the file meanwhile.
    fn is_as_known(&self, number: usize, page: &mut [u8]) -> Result<bool, StorageError> {
        let state = self.state();
        let known = state.sums.get(number).copied().unwrap_or(UNKNOWN);
        if known == UNKNOWN {
            return Ok(true);
        }
        self.file.read(number as u64 * PAGE_BYTES, page).map_err(StorageError::of_io)?;
        Ok(known == sum(page))
    }

    /// Returns the number of the commit that the header names.
    pub(super) fn commit_number(&self) -> u64 {
        commit_number(&self.state().first_page).unwrap_or_default()
    }

    /// Ends all writing to the file.
    pub(super) fn give_up(&self) {
        self.state_mut().failed = true;
    }

    /// Returns true if nobody else has cut the file off or written over it since the last write
    /// here, as far as its length and its first page show.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn is_untouched(&self) -> io::Result<bool> {
        let state = self.state();
        if self.file.len()? < state.length {
            return Ok(false);
        }
        let mut first_page = vec![0; PAGE];
        if state.length >= PAGE_BYTES {
            self.file.read(0, &mut first_page)?;
        }
        Ok(first_page == state.first_page)
    }

    /// Changes the file, unless an earlier change failed for good.
    fn change(
        &self,
        change: impl FnOnce(&dyn StorageBackend, &mut State) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state_mut();
        if state.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.tell_of_change(&mut state);
        let changed = change(&*self.file, &mut state);
        state.failed = changed.as_ref().is_err_and(|error| !is_full(error));
        changed
    }

    fn tell_of_change(&self, state: &mut State) {
        if !state.is_changing {
            beside::mark_changing(&*self.file, true);
            state.is_changing = true;
        }
    }

    /// Tells readers beside that the file is about to be changed, or that it is at rest.
    pub(super) fn mark_changing(&self, changing: bool) {
        let mut state = self.state_mut();
        if changing {
            self.tell_of_change(&mut state);
        } else if state.is_changing {
            beside::mark_changing(&*self.file, false);
            state.is_changing = false;
        }
    }

    /// Returns the file below, to ask for readers beside.
    pub(super) fn below(&self) -> &dyn StorageBackend {
        &*self.file
    }

    /// Cuts off the checksums behind the engine's end, which are stale as soon as something is
    /// written.
    fn cut_tail(file: &dyn StorageBackend, state: &mut State) -> io::Result<()> {
        if state.has_tail {
            file.set_len(state.length)?;
            // Something other than pages may stand only behind a file that was closed.
            file.sync_data().map_err(|error| of_sync(&error))?;
            state.has_tail = false;
        }
        state.written = true;
        Ok(())
    }

    /// Notes in the file that the commit in the header is durable. To be called only after a
    /// commit: while the engine recovers, the header may still name one that is not whole.
    pub(super) fn acknowledge(&self) -> io::Result<()> {
        self.change(|file, state| {
            let number = commit_number(&state.first_page).unwrap_or_default();
            if number <= state.acknowledged || rejoin_vclock::mutant!("forget-acknowledged") {
                return Ok(());
            }
            let line = acknowledged_line(number);
            match file.write(ACKNOWLEDGED_AT as u64, &line) {
                // The commit is durable all the same; the line may lag behind.
                Err(error) if is_full(&error) => {
                    return state.suspect_rollback(file, ACKNOWLEDGED_AT as u64, &line);
                }
                written => written?,
            }
            state.acknowledged = number;
            put(&mut state.first_page, ACKNOWLEDGED_AT, &line);
            Ok(())
        })
    }
}

/// Returns true if there was no room for something.
fn is_full(error: &io::Error) -> bool {
    StorageError::is_full(error.kind())
}

/// Makes the error of a failed sync, which never counts as lack of room, whatever the system says.
fn of_sync(error: &io::Error) -> io::Error {
    io::Error::other(format!("what was written could not be synced: {error}"))
}

impl State {
    /// Forgets the checksums of pages of which a write may be there in part, for lack of room.
    fn suspect_rollback(
        &mut self,
        file: &dyn StorageBackend,
        offset: u64,
        data: &[u8],
    ) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let (first, last) = (index(offset / PAGE_BYTES), index(end.div_ceil(PAGE_BYTES)));
        self.sums.iter_mut().take(last).skip(first).for_each(|known| *known = UNKNOWN);
        self.length = file.len()?;
        self.sums.resize(index(self.length / PAGE_BYTES), UNKNOWN);
        if offset < PAGE_BYTES { file.read(0, &mut self.first_page) } else { Ok(()) }
    }

    /// Notes what was written, to compare what will be read.
    fn note(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        self.length = self.length.max(end);
        let count = index(self.length / PAGE_BYTES).max(self.sums.len());
        self.sums.resize(count, UNKNOWN);
        let (first, last) = (index(offset / PAGE_BYTES), index(end.div_ceil(PAGE_BYTES)));
        self.sums.iter_mut().take(last).skip(first).for_each(|known| *known = UNKNOWN);
        if offset < PAGE_BYTES {
            put(&mut self.first_page, index(offset), data);
        }
        if offset.is_multiple_of(PAGE_BYTES) {
            let known = self.sums.iter_mut().skip(first);
            known.zip(data.chunks_exact(PAGE)).for_each(|(known, page)| *known = sum(page));
        }
    }
}

/// Copies bytes to a place, as far as there is room.
pub(super) fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    let place = page.get_mut(at..).unwrap_or_default();
    place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

/// Writes the line that says what was acknowledged.
fn acknowledged_line(number: u64) -> Vec<u8> {
    let number = number.to_le_bytes();
    [&number[..], &crc32fast::hash(&number).to_le_bytes()].concat()
}

/// Reads from the first page what was acknowledged; 0 if that line is not whole.
pub(super) fn read_acknowledged(first_page: &[u8]) -> u64 {
    let line = first_page.get(ACKNOWLEDGED_AT..).and_then(|line| line.split_first_chunk());
    let Some((number, rest)) = line else { return 0 };
    let whole = rest.starts_with(&crc32fast::hash(number).to_le_bytes());
    if whole { u64::from_le_bytes(*number) } else { 0 }
}

/// Computes the checksum over the checksums. It covers the header, which changes with every commit.
fn sum_of_sums(header: &[u8], sums: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(..HEADER).unwrap_or_default());
    hasher.update(sums);
    hasher.finalize()
}

fn tail(first_page: &[u8], sums: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let check = sum_of_sums(first_page, &bytes);
    bytes.resize(index(tail_length(sums.len() as u64)) - FOOTER, 0);
    bytes.extend(check.to_le_bytes());
    bytes.extend((sums.len() as u64).to_le_bytes());
    bytes.extend(MARK);
    bytes
}

/// Returns the length of a file as the engine sees it. Behind the engine's end of a closed file
/// there may be the checksums, or what a power loss left of them.
fn engine_length(header: &[u8], length: u64) -> u64 {
    let field = |at: usize| u32_at(header, at).map(u64::from);
    let said = || {
        let [extra, most, full, rest] = [field(16)?, field(20)?, field(24)?, field(28)?];
        let full = full.checked_mul(extra + most)?;
        let rest = if rest == 0 { 0 } else { extra + rest };
        full.checked_add(rest + 1)?.checked_mul(PAGE_BYTES)
    };
    let said = said().filter(|_| is_closed(header)).unwrap_or(length);
    let most = said.saturating_add(tail_length(said / PAGE_BYTES));
    if (said..=most).contains(&length) { said } else { length }
}

fn tail_length(pages: u64) -> u64 {
    pages.saturating_mul(4).saturating_add(FOOTER as u64).next_multiple_of(PAGE_BYTES)
}

/// Reads the checksums behind the end of a closed file, if they belong to its present content.
fn read_tail(
    file: &dyn StorageBackend,
    length: u64,
    first_page: &[u8],
) -> io::Result<Option<Vec<u32>>> {
    let mut footer = [0; FOOTER];
    if length < 2 * PAGE_BYTES || !is_closed(first_page) {
        return Ok(None);
    }
    file.read(length - FOOTER as u64, &mut footer)?;
    let Some((check, rest)) = footer.split_first_chunk() else { return Ok(None) };
    let Some((count, mark)) = rest.split_first_chunk() else { return Ok(None) };
    let (count, starts) = (u64::from_le_bytes(*count), engine_length(first_page, length));
    let belongs = count == starts / PAGE_BYTES && starts + tail_length(count) == length;
    if mark != MARK || !belongs {
        return Ok(None);
    }
    let mut bytes = vec![0; index(count * 4)];
    file.read(starts, &mut bytes)?;
    if sum_of_sums(first_page, &bytes) != u32::from_le_bytes(*check) {
        return Ok(None);
    }
    let sums = bytes.chunks_exact(4).map(|sum| sum.try_into().map_or(0, u32::from_le_bytes));
    Ok(Some(sums.collect()))
}

impl StorageBackend for ChecksummedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).ok_or(ErrorKind::UnexpectedEof)?;
        if end > self.state().length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let first = offset / PAGE_BYTES;
        if offset.is_multiple_of(PAGE_BYTES) && out.len().is_multiple_of(PAGE) || end <= PAGE_BYTES
        {
            self.file.read(offset, out)?;
            return self.compare(index(first), out);
        }
        let mut pages = vec![0; index(end.next_multiple_of(PAGE_BYTES) - first * PAGE_BYTES)];
        self.file.read(first * PAGE_BYTES, &mut pages)?;
        self.compare(index(first), &pages)?;
        let wanted = pages.get(index(offset % PAGE_BYTES)..).unwrap_or_default();
        put(out, 0, wanted);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(|file, state| {
            file.set_len(length)?;
            (state.length, state.has_tail, state.written) = (length, false, true);
            state.sums.resize(index(length / PAGE_BYTES), UNKNOWN);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        // Not under the lock: readers need not wait for the medium.
        self.change(|_, _| Ok(()))?;
        let synced = match self.file.sync_data() {
            // The unsynced pages may be dropped, and then the next sync has nothing to do.
            Err(_) if rejoin_vclock::mutant!("retry-fsync") => self.file.sync_data(),
            synced => synced,
        };
        synced.map_err(|error| of_sync(&error)).inspect_err(|_| self.give_up())?;
        if rejoin_vclock::mutant!("acknowledge-at-sync") { self.acknowledge() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file, state| {
            Self::cut_tail(file, state)?;
            if let Err(error) = file.write(offset, data) {
                if is_full(&error) {
                    state.suspect_rollback(file, offset, data)?;
                }
                return Err(error);
            }
            state.note(offset, data);
            Ok(())
        })
    }

    /// Writes the checksums behind the end. If that fails, the next open checks the whole file; for
    /// the same reason they are not synced.
    fn close(&self) -> io::Result<()> {
        let mut state = self.state_mut();
        if state.written
            && !state.failed
            && is_closed(&state.first_page)
            && state.length.is_multiple_of(PAGE_BYTES)
        {
            let tail = tail(&state.first_page, &state.sums);
            let written = self.file.set_len(state.length + tail.len() as u64);
            drop(written.and_then(|()| self.file.write(state.length, &tail)));
            state.written = false;
        }
        self.file.close()
    }

    // An engine that alone writes to a file asks for no other lock than this one.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use redb::backends::FileBackend;

    use super::super::deferred_writes::DeferredWrites;
    use super::*;
    use crate::format_doc::example;

    fn file(length: u64) -> io::Result<(File, ChecksummedFile)> {
        let file = tempfile::tempfile()?;
        file.set_len(length)?;
        let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        Ok((file, ChecksummedFile::new(Box::new(backend))?))
    }

    /// Offsets beyond 32 bits, in a file that takes no room on the disk.
    #[test]
    fn line_31_pages_beyond_four_gibibytes_are_compared() -> io::Result<()> {
        let at = (5 << 30) + PAGE_BYTES;
        let (file, summed) = file(6 << 30)?;
        summed.write(at, &[7; 2 * PAGE])?;
        let mut read = [0; 2 * PAGE];
        summed.read(at, &mut read)?;
        assert_eq!(read, [7; 2 * PAGE]);
        file.write_all_at(&[8], at - (4 << 30))?;
        summed.read(at, &mut read)?;
        file.write_all_at(&[8], at + PAGE_BYTES)?;
        let error = summed.read(at, &mut read).expect_err("another byte than was written");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        summed.read(at, &mut [0; 100])?;
        assert!(summed.read(at + PAGE_BYTES + 50, &mut [0; 100]).is_err(), "a part of the page");
        let held = DeferredWrites::new(std::sync::Arc::new(summed));
        held.write(at + 10, &[9; 20])?;
        let mut piece = [0; 40];
        held.read(at, &mut piece)?;
        assert_eq!(piece, [&[7; 10][..], &[9; 20], &[7; 10]].concat()[..]);
        held.accept()?;
        held.read(at, &mut piece)?;
        assert_eq!(piece[10..30], [9; 20]);
        Ok(())
    }

    #[test]
    fn what_is_added_to_a_file_is_as_documented() -> io::Result<()> {
        let mut first_page = vec![0; PAGE];
        put(&mut first_page, ACKNOWLEDGED_AT, &example("acknowledged"));
        assert_eq!(acknowledged_line(read_acknowledged(&first_page)), example("acknowledged"));
        // The blank between the checksums and the footer is left out in the document.
        let example = example("checksums");
        let (sums, footer) = example.split_at(4);
        let mut end = sums.to_vec();
        end.resize(PAGE - FOOTER, 0);
        end.extend_from_slice(footer);
        let first_page = vec![0; PAGE];
        let file = FileBackend::new(tempfile::tempfile()?).map_err(io::Error::other)?;
        file.set_len(2 * PAGE_BYTES)?;
        file.write(PAGE_BYTES, &end)?;
        let sums = read_tail(&file, 2 * PAGE_BYTES, &first_page)?.expect("checksums");
        assert_eq!((sums.as_slice(), tail(&first_page, &sums)), (&[sum(&first_page)][..], end));
        Ok(())
    }

    #[test]
    fn after_a_write_that_failed_nothing_is_written() -> io::Result<()> {
        let (_, summed) = file(2 * PAGE_BYTES)?;
        assert!(summed.write(u64::MAX / 2, &[1; PAGE]).is_err());
        assert!(summed.write(0, &[1; PAGE]).is_err() && summed.sync_data().is_err());
        summed.read(0, &mut [0; PAGE])
    }

    #[test]
    fn lengths_that_a_header_claims_are_never_believed_blindly() {
        let mut header = vec![0xff; PAGE];
        header[9] = 0;
        assert_eq!(engine_length(&header, 4 * PAGE_BYTES), 4 * PAGE_BYTES);
        header[16..32].fill(0);
        assert_eq!(engine_length(&header, 2 * PAGE_BYTES), PAGE_BYTES, "one page and its checksum");
        assert_eq!(engine_length(&header, 3 * PAGE_BYTES), 3 * PAGE_BYTES);
        header[9] = 2;
        assert_eq!(engine_length(&header, 2 * PAGE_BYTES), 2 * PAGE_BYTES, "it was not closed");
    }
}
