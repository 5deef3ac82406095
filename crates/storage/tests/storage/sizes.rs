//! Sizes that tests seldom reach: a store file beyond 4 GiB, whose blank pages take no memory.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use rejoin_storage::{Batch, RawFile, RedbFile, Storage, StorageRead};

const PAGE: usize = 4096;
const BLANK: [u8; PAGE] = [0; PAGE];

/// A file that keeps only pages that are not blank.
#[derive(Clone, Default, Debug)]
struct Sparse(Arc<Mutex<Content>>);

/// The length, and the pages.
type Content = (u64, HashMap<u64, Box<[u8]>>);

/// Splits a range into pieces within one page each: page, place in it, place in the range.
fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let here = offset + at as u64;
        let within = usize::try_from(here % PAGE as u64).unwrap();
        let end = length.min(at + PAGE - within);
        let piece = (here / PAGE as u64, within, at..end);
        (at < length).then(|| at = end).map(|()| piece)
    })
}

impl RawFile for Sparse {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().0)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = self.0.lock().unwrap();
        if offset + out.len() as u64 > file.0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for (page, within, piece) in pieces(offset, out.len()) {
            let out = &mut out[piece];
            match file.1.get(&page) {
                Some(page) => out.copy_from_slice(&page[within..within + out.len()]),
                None => out.fill(0),
            }
        }
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut file = self.0.lock().unwrap();
        file.0 = file.0.max(offset + data.len() as u64);
        for (page, within, piece) in pieces(offset, data.len()) {
            let data = &data[piece];
            if *data != BLANK[..data.len()] || file.1.contains_key(&page) {
                let kept = file.1.entry(page).or_insert_with(|| vec![0; PAGE].into());
                kept[within..within + data.len()].copy_from_slice(data);
            }
        }
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut file = self.0.lock().unwrap();
        file.0 = length;
        file.1.retain(|&page, _| page * (PAGE as u64) < length);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a mostly blank record, different at both ends. The engine gives it twice the room.
fn large(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 65 << 20];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let end = bytes.len();
    bytes[end - 8..].copy_from_slice(&(!number).to_le_bytes());
    bytes
}

#[test]
#[ignore = "it writes 4 GiB, which takes half a minute; what is ours is tested beside it"]
fn line_31_a_file_beyond_four_gibibytes_reads_as_it_was_written() {
    const RECORDS: u64 = 34;
    let file = Sparse::default();
    let storage = RedbFile::over_raw(file.clone()).expect("a new file");
    // Sequences exceed 32 bits as well: nothing is truncated.
    let sequence = |number| (1 << 33) + number;
    for number in 0..RECORDS {
        let log = vec![(u32::MAX, sequence(number), large(number))];
        let rows = vec![(u32::MAX, number.to_be_bytes().to_vec(), Some(vec![7; 100]))];
        storage.commit(&Batch { log, rows, ..Batch::default() }).expect("a commit");
    }
    assert!(file.len().unwrap() > 1 << 32, "{}", file.len().unwrap());
    assert_eq!(storage.size(), Ok(file.len().unwrap()));
    drop(storage);
    let storage = RedbFile::over_raw(file).expect("the same file");
    assert_eq!(storage.log_end(u32::MAX), Ok(sequence(RECORDS)));
    for number in [0, RECORDS / 2, RECORDS - 1] {
        let found = storage.log(u32::MAX, sequence(number), 1).expect("readable");
        assert!(found == [(sequence(number), large(number))], "record {number}");
    }
    let rows = storage.rows(u32::MAX, &[], usize::MAX).expect("readable");
    assert_eq!(rows.len() as u64, RECORDS);
}
