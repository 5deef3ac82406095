//! CSV records with the number of the line on which each begins.
//!
//! The delimiter is whichever the header has most of: commas, semicolons or tabs.
//!
//! A stray quote must not swallow the rest of a file. A field that opens a quote goes on over the
//! following lines, as CSV requires; but when that does not result in a record of the header's
//! width, or the closing quote does not end its field, only the line with the first quote is
//! malformed, and reading goes on with the line after it.
//!
//! Fields are bytes: what they mean, and whether they are text, is up to the reader of a column.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ReaderBuilder, Terminator};

/// A quoted field may span this many lines.
const MAX_LINES: usize = 100;

/// Maximum length of a line of a CSV file.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A record and the line on which it begins.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    /// The line of its first byte, counted from 1.
    pub(crate) line: u64,
    /// Its fields, or the reason why they cannot be read.
    pub(crate) fields: Result<ByteRecord, OpenQuote>,
}

/// A quote that is opened and not closed within a record of the expected width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenQuote;

/// Reads records from `input`.
#[derive(Debug)]
pub(crate) struct Records<R> {
    input: R,
    /// Lines that were read ahead and put back.
    ahead: VecDeque<Vec<u8>>,
    /// The number of lines taken so far.
    taken: u64,
    /// The number of fields and the delimiter of the header; `None` until it is read.
    shape: Option<(usize, u8)>,
}

impl<R: BufRead> Records<R> {
    /// Reads from the start of `input`; the first record fixes the width and the delimiter.
    pub(crate) fn new(input: R) -> Records<R> {
        Records { input, ahead: VecDeque::new(), taken: 0, shape: None }
    }

    /// Returns the number of lines read so far.
    pub(crate) fn lines_read(&self) -> u64 {
        self.taken
    }

    /// Returns the next record that is not an empty line; `None` at the end.
    ///
    /// # Errors
    /// Any error of reading, and `InvalidData` for a line of more than a mebibyte.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        let Some(first) = self.next_filled_line()? else { return Ok(None) };
        let line = self.taken;
        let delimiter = self.shape.map_or_else(|| delimiter_of(&first), |(_, delimiter)| delimiter);
        let mut quotes = Quotes::of(delimiter);
        quotes.scan(&first);
        let mut record = first;
        let mut rest: Vec<Vec<u8>> = Vec::new();
        while quotes.is_open() && rest.len() < MAX_LINES {
            let Some(more) = self.next_line()? else { break };
            quotes.scan(&more);
            record.extend_from_slice(&more);
            rest.push(more);
        }
        let fields = split(&record, delimiter);
        let (width, _) = *self.shape.get_or_insert((fields.len(), delimiter));
        let sound = !quotes.ragged && fields.len() == width;
        if quotes.is_open() || (!rest.is_empty() && !sound) {
            self.give_back(rest);
            return Ok(Some(Record { line, fields: Err(OpenQuote) }));
        }
        Ok(Some(Record { line, fields: Ok(fields) }))
    }

    fn next_filled_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.next_line()? {
                Some(line) if without_ending(&line).is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = match self.ahead.pop_front() {
            Some(line) => line,
            None => self.read_line()?,
        };
        if line.is_empty() {
            return Ok(None);
        }
        self.taken += 1;
        Ok(Some(line))
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = self.input.by_ref().take(MAX_LINE_BYTES);
        limited.read_until(b'\n', &mut line)?;
        if limited.limit() == 0 && !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
        }
        Ok(line)
    }

    fn give_back(&mut self, lines: Vec<Vec<u8>>) {
        for line in lines.into_iter().rev() {
            self.taken -= 1;
            self.ahead.push_front(line);
        }
    }
}

/// Returns the delimiter that a header has most of outside of quotes, or a comma if it has none.
fn delimiter_of(header: &[u8]) -> u8 {
    let mut quotes = Quotes::of(b',');
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    for byte in header {
        quotes.scan(&[*byte]);
        let plain = counts.iter_mut().filter(|(delimiter, _)| delimiter == byte);
        plain.for_each(|(_, count)| *count += usize::from(!quotes.is_open()));
    }
    // Of equal counts the last one wins.
    counts.iter().max_by_key(|(_, count)| count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Splits the bytes of one record into its fields.
fn split(record: &[u8], delimiter: u8) -> ByteRecord {
    let mut fields = ByteRecord::new();
    // Only a line feed ends a record: a bare carriage return is content like any other byte. The
    // reader skips the byte order mark that spreadsheets put before a header.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(Terminator::Any(b'\n'))
        .buffer_capacity(record.len().max(1))
        .from_reader(without_ending(record));
    // Reading from memory does not fail, and a flexible reader refuses no shape.
    let _ = reader.read_byte_record(&mut fields);
    fields
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Tracks the quotes of a record across its lines.
#[derive(Debug)]
struct Quotes {
    delimiter: u8,
    place: CsvState,
    /// A closing quote was followed by more of the same field.
    ragged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CsvState {
    /// Before the first byte of a field.
    FieldStart,
    /// In a field, or a part of one, that is not quoted.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote that either closes the field or escapes the next quote.
    Closing,
}

impl Quotes {
    fn of(delimiter: u8) -> Quotes {
        Quotes { delimiter, place: CsvState::FieldStart, ragged: false }
    }

    fn scan(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.place = match (self.place, byte) {
                (CsvState::FieldStart | CsvState::Closing, b'"') => CsvState::Quoted,
                (CsvState::Quoted, b'"') => CsvState::Closing,
                (CsvState::Quoted, _) => CsvState::Quoted,
                (_, byte) if byte == self.delimiter => CsvState::FieldStart,
                (place, _) => {
                    self.ragged |= place == CsvState::Closing && !matches!(byte, b'\r' | b'\n');
                    CsvState::Plain
                }
            };
        }
    }

    fn is_open(&self) -> bool {
        self.place == CsvState::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `line: field|field` per record, and `line: open quote` where one is malformed.
    fn read(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut records = Records::new(text.as_ref());
        let mut seen = Vec::new();
        while let Some(Record { line, fields }) = records.next().unwrap() {
            let shown = match fields {
                Ok(fields) => {
                    let text = fields.iter().map(|field| String::from_utf8_lossy(field));
                    text.collect::<Vec<_>>().join("|")
                }
                Err(OpenQuote) => "open quote".to_owned(),
            };
            seen.push(format!("{line}: {shown}"));
        }
        seen
    }

    #[test]
    fn plain_records_carry_their_line() {
        assert_eq!(read("a,b\n1,2\n\n\r\n3,4"), ["1: a|b", "2: 1|2", "5: 3|4"]);
        assert_eq!(read("a,b\r\n1,\r\n"), ["1: a|b", "2: 1|"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn quoted_fields_hold_commas_quotes_and_lines() {
        let text = "a,b\n\"x, \"\"y\"\"\nz\",2\n3,4\n";
        assert_eq!(read(text), ["1: a|b", "2: x, \"y\"\nz|2", "4: 3|4"]);
    }

    #[test]
    fn the_header_says_what_stands_between_fields() {
        assert_eq!(read("a;b\n1,5;\"x;y\"\n"), ["1: a|b", "2: 1,5|x;y"]);
        assert_eq!(read("a\tb\n1,5\t\"x\ty\nz\"\n"), ["1: a|b", "2: 1,5|x\ty\nz"]);
        assert_eq!(read("\"a;b;c\",d\n1;2,3\n"), ["1: a;b;c|d", "2: 1;2|3"]);
        assert_eq!(read("a,b;c\n"), ["1: a|b;c"]);
    }

    #[test]
    fn quotes_inside_a_field_are_content() {
        assert_eq!(read("a,b\n6\" pan,2\n3,4\n"), ["1: a|b", "2: 6\" pan|2", "3: 3|4"]);
    }

    #[test]
    fn any_byte_may_stand_in_a_field() {
        let mut records = Records::new(b"a,b\n\xff\x00\r\xfe,2\n".as_slice());
        records.next().unwrap();
        let fields = records.next().unwrap().unwrap().fields.unwrap();
        assert_eq!(fields.iter().collect::<Vec<_>>(), [b"\xff\x00\r\xfe".as_slice(), b"2"]);
    }

    #[test]
    fn a_stray_quote_costs_its_own_line_only() {
        let to_the_end = "a,b\n\"1,2\n3,4\n5,6\n";
        assert_eq!(read(to_the_end), ["1: a|b", "2: open quote", "3: 3|4", "4: 5|6"]);
        let to_the_next = "a,b\n\"1,2\n3,4\n\"5,6\n7,8\n";
        let expected = ["1: a|b", "2: open quote", "3: 3|4", "4: open quote", "5: 7|8"];
        assert_eq!(read(to_the_next), expected);
    }

    #[test]
    fn a_quote_that_never_closes_is_given_up_after_some_lines() {
        let text = format!("a,b\n\"1,2\n{}", "3,4\n".repeat(3 * MAX_LINES));
        let seen = read(text);
        assert_eq!(seen.len(), 2 + 3 * MAX_LINES);
        assert_eq!(seen.get(1).unwrap(), "2: open quote");
        assert_eq!(seen.last().unwrap(), &format!("{}: 3|4", 2 + 3 * MAX_LINES));
    }

    #[test]
    fn an_endless_line_is_refused_without_reading_it_all() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = Records::new(endless).next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
