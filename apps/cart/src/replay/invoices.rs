//! Invoice lines out of a CSV file, plain or gzipped.
//!
//! Gzip is recognized by its first two bytes, not by the name of the file. Columns are found by
//! name, and only those that are used are ever read: the others may hold any bytes. A line that
//! makes no sense is an [`InvoiceError::Malformed`] with its number, after which reading can go on;
//! every other error ends it.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;

use crate::failure::Advice;
use crate::replay::records::{OpenQuote, Record, Records};

/// Quantities beyond this, positive or negative, are typing errors, not sales.
const MAX_QUANTITY: i64 = 1_000_000_000;

/// One line of an invoice, its texts exactly as they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The invoice that it belongs to.
    pub(crate) invoice: String,
    /// The product that was sold.
    pub(crate) stock_code: String,
    /// The quantity; negative when the sale was cancelled.
    pub(crate) quantity: i64,
    /// The customer; empty when nobody wrote it down.
    pub(crate) customer_id: String,
    /// The country where the customer lives.
    pub(crate) country: String,
}

/// The columns that are read, each with its name once case, spaces and `_` are ignored.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("invoice", &["invoice", "invoiceno"]),
    ("stock_code", &["stockcode"]),
    ("quantity", &["quantity"]),
    ("customer_id", &["customerid"]),
    ("country", &["country"]),
];

/// An open file of invoices; an iterator over its lines.
pub(crate) struct Invoices {
    path: PathBuf,
    records: Records<Box<dyn BufRead>>,
    columns: [usize; 5],
    width: usize,
    /// Set once an error has ended the reading.
    ended: bool,
}

impl Invoices {
    /// Opens `path` and finds the columns.
    ///
    /// # Errors
    /// [`InvoiceError::Unreadable`], [`InvoiceError::NotCsv`] or [`InvoiceError::MissingColumns`].
    pub(crate) fn open(path: &Path) -> Result<Invoices, InvoiceError> {
        let unreadable = |source| InvoiceError::Unreadable { path: path.to_owned(), source };
        Invoices::read(path, File::open(path).map_err(unreadable)?)
    }

    fn read(path: &Path, input: impl Read + 'static) -> Result<Invoices, InvoiceError> {
        let input = unpacked(input).map_err(|error| read_error(path, 0, error))?;
        let mut records = Records::new(input);
        let header = records.next().map_err(|error| read_error(path, 0, error))?;
        let not_csv = || InvoiceError::NotCsv { path: path.to_owned() };
        let header = header.ok_or_else(not_csv)?.fields.map_err(|OpenQuote| not_csv())?;
        let columns = find_columns(path, &header)?;
        let path = path.to_owned();
        Ok(Invoices { path, records, columns, width: header.len(), ended: false })
    }

    fn next_line(&mut self) -> Result<Option<Line>, InvoiceError> {
        let read = self.records.lines_read();
        let record = self.records.next().map_err(|error| read_error(&self.path, read, error))?;
        let Some(Record { line, fields }) = record else { return Ok(None) };
        let malformed = |flaw| InvoiceError::Malformed { path: self.path.clone(), line, flaw };
        let fields = fields.map_err(|OpenQuote| malformed(Flaw::OpenQuote))?;
        self.line_of(&fields).map(Some).map_err(malformed)
    }

    fn line_of(&self, fields: &ByteRecord) -> Result<Line, Flaw> {
        if fields.len() != self.width {
            return Err(Flaw::Width { found: fields.len(), expected: self.width });
        }
        let [invoice, stock_code, quantity, customer_id, country] =
            [0, 1, 2, 3, 4].map(|which| self.text(fields, which));
        let stock_code = stock_code?.to_owned();
        if stock_code.trim().is_empty() {
            return Err(Flaw::NoStockCode);
        }
        Ok(Line {
            invoice: invoice?.to_owned(),
            stock_code,
            quantity: parse_quantity(quantity?)?,
            customer_id: customer_id?.to_owned(),
            country: country?.to_owned(),
        })
    }

    fn text<'f>(&self, fields: &'f ByteRecord, which: usize) -> Result<&'f str, Flaw> {
        let bytes = self.columns.get(which).and_then(|&column| fields.get(column));
        let column = COLUMNS.get(which).map_or("", |(name, _)| name);
        std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| Flaw::NotUtf8 { column })
    }
}

impl Iterator for Invoices {
    type Item = Result<Line, InvoiceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_line().transpose();
        self.ended = !matches!(next, Some(Ok(_) | Err(InvoiceError::Malformed { .. })));
        next
    }
}

/// Returns `input` uncompressed, if it is compressed.
fn unpacked(mut input: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut magic = Vec::new();
    input.by_ref().take(2).read_to_end(&mut magic)?;
    let gzipped = magic == [0x1f, 0x8b];
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(magic).chain(input));
    if gzipped {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(whole))));
    }
    Ok(Box::new(whole))
}

fn find_columns(path: &Path, header: &ByteRecord) -> Result<[usize; 5], InvoiceError> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).trim().to_owned();
    let names: Vec<String> = header.iter().map(text).collect();
    if names.iter().any(|name| name.contains(|c: char| c == '\u{fffd}' || c.is_control())) {
        return Err(InvoiceError::NotCsv { path: path.to_owned() });
    }
    let place = |accepted: &[&str]| names.iter().position(|name| accepted.contains(&&*plain(name)));
    let columns = COLUMNS.map(|(_, accepted)| place(accepted));
    let missing = COLUMNS.iter().zip(columns).filter(|(_, column)| column.is_none());
    let missing: Vec<_> = missing.map(|((name, _), _)| *name).collect();
    if missing.is_empty() {
        return Ok(columns.map(Option::unwrap_or_default));
    }
    Err(InvoiceError::MissingColumns { path: path.to_owned(), missing, found: names })
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_')).flat_map(char::to_lowercase).collect()
}

/// Parses a whole number, which some exports write as `2.0`.
fn parse_quantity(text: &str) -> Result<i64, Flaw> {
    let whole = match text.trim().split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|c| c == b'0') => whole,
        _ => text.trim(),
    };
    let quantity: Option<i64> = whole.parse().ok();
    quantity
        .filter(|quantity| (-MAX_QUANTITY..=MAX_QUANTITY).contains(quantity))
        .ok_or_else(|| Flaw::Quantity { text: text.chars().take(40).collect() })
}

fn read_error(path: &Path, lines: u64, source: io::Error) -> InvoiceError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::UnexpectedEof => InvoiceError::Truncated { path, lines },
        // The gzip decoder's error when bytes are not those that were packed.
        io::ErrorKind::InvalidInput => InvoiceError::Damaged { path, lines, source },
        io::ErrorKind::InvalidData => InvoiceError::NotCsv { path },
        _ => InvoiceError::Unreadable { path, source },
    }
}

/// The reason why invoices cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum InvoiceError {
    /// The file cannot be opened or read.
    Unreadable { path: PathBuf, source: io::Error },
    /// A gzipped file ends too early.
    Truncated { path: PathBuf, lines: u64 },
    /// A gzipped file differs from what was packed.
    Damaged { path: PathBuf, lines: u64, source: io::Error },
    /// There is no header, or it is not text.
    NotCsv { path: PathBuf },
    /// Columns that are needed are not in the header.
    MissingColumns { path: PathBuf, missing: Vec<&'static str>, found: Vec<String> },
    /// One line, counted from 1, makes no sense; those after it can still be read.
    Malformed { path: PathBuf, line: u64, flaw: Flaw },
}

/// A flaw of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Flaw {
    /// The number of fields differs from that of the header.
    Width { found: usize, expected: usize },
    /// A quote is opened and never closed.
    OpenQuote,
    /// The quantity is not a whole number within the limits.
    Quantity { text: String },
    /// A field that is used is not text.
    NotUtf8 { column: &'static str },
    /// The stock code is empty.
    NoStockCode,
}

impl fmt::Display for InvoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvoiceError::Unreadable { path, .. } => write!(f, "cannot read {}", path.display()),
            InvoiceError::Truncated { path, lines } => {
                write!(
                    f,
                    "{} ends too early: its gzip data stops after line {lines}",
                    path.display()
                )
            }
            InvoiceError::Damaged { path, lines, .. } => {
                write!(f, "the gzip data of {} is damaged after line {lines}", path.display())
            }
            InvoiceError::NotCsv { path } => {
                write!(f, "{} is not a CSV file with a header line", path.display())
            }
            InvoiceError::MissingColumns { path, missing, .. } => {
                write!(f, "{} has no {}", path.display(), columns(missing))
            }
            InvoiceError::Malformed { path, line, flaw } => {
                write!(f, "{}, line {line}: {flaw}", path.display())
            }
        }
    }
}

impl Flaw {
    /// Returns the kind of flaw, in words that are the same for all lines that have it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Flaw::Width { .. } => "another number of fields than the header has",
            Flaw::OpenQuote => "a quote that is opened and not closed",
            Flaw::Quantity { .. } => "a quantity that is no whole number",
            Flaw::NotUtf8 { .. } => "text that is not UTF-8",
            Flaw::NoStockCode => "an empty stock_code",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Width { found, expected } => {
                write!(f, "{found} fields where the header has {expected}")
            }
            Flaw::OpenQuote => f.write_str("a quote is opened and not closed"),
            Flaw::Quantity { text } => {
                write!(
                    f,
                    "quantity {text:?} is not a whole number of at most {MAX_QUANTITY} (a decimal \
                     sign is a point)"
                )
            }
            Flaw::NotUtf8 { column } => write!(f, "{column} is not UTF-8"),
            Flaw::NoStockCode => f.write_str("stock_code is empty"),
        }
    }
}

impl std::error::Error for InvoiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InvoiceError::Unreadable { source, .. } | InvoiceError::Damaged { source, .. } => {
                Some(source)
            }
            InvoiceError::Truncated { .. }
            | InvoiceError::NotCsv { .. }
            | InvoiceError::MissingColumns { .. }
            | InvoiceError::Malformed { .. } => None,
        }
    }
}

impl Advice for InvoiceError {
    fn help(&self) -> String {
        match self {
            InvoiceError::Unreadable { .. } => {
                "check the path, or leave it out to replay made-up invoices".to_owned()
            }
            InvoiceError::Truncated { .. } | InvoiceError::Damaged { .. } => {
                "fetch or copy the file again; nothing of it was replayed".to_owned()
            }
            InvoiceError::NotCsv { .. } => {
                let names = COLUMNS.map(|(name, _)| name).join(",");
                format!("give a CSV file (plain or gzipped) whose first line names {names}")
            }
            InvoiceError::MissingColumns { missing, found, .. } => {
                let shown = found.iter().take(20).map(String::as_str).collect::<Vec<_>>();
                format!("name {}; found were: {}", columns(missing), shown.join(", "))
            }
            InvoiceError::Malformed { .. } => {
                "correct the line, or leave out --strict to skip and count such lines".to_owned()
            }
        }
    }
}

/// Returns "column `a`" or "columns `a`, `b`".
fn columns(names: &[&str]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("column{plural} `{}`", names.join("`, `"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const HEADER: &str = "invoice,stock_code,quantity,customer_id,country\n";

    fn open(bytes: impl Into<Vec<u8>>) -> Result<Invoices, InvoiceError> {
        Invoices::read(Path::new("in.csv"), Cursor::new(bytes.into()))
    }

    fn lines(bytes: impl Into<Vec<u8>>) -> Vec<Result<Line, InvoiceError>> {
        open(bytes).unwrap().collect()
    }

    /// Returns the first flaw of a file with one data line.
    fn flaw(line: &[u8]) -> Flaw {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend_from_slice(line);
        match lines(bytes).remove(0) {
            Err(InvoiceError::Malformed { line: 2, flaw, .. }) => flaw,
            other => panic!("{other:?}"),
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn line(invoice: &str, stock_code: &str, quantity: i64, customer: &str, place: &str) -> Line {
        Line {
            invoice: invoice.to_owned(),
            stock_code: stock_code.to_owned(),
            quantity,
            customer_id: customer.to_owned(),
            country: place.to_owned(),
        }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let text = "\u{feff}Country,Description, InvoiceNo ,CustomerID,Quantity,StockCode\r\n\
                    EIRE,\"6\"\" pan, red\",C536379,17850.0, -6 ,84029E\r\n";
        let found = lines(text).remove(0).unwrap();
        assert_eq!(found, line("C536379", "84029E", -6, "17850.0", "EIRE"));
    }

    #[test]
    fn other_columns_may_hold_any_bytes() {
        let mut bytes = b"invoice,stock_code,quantity,customer_id,country,\xffnote\n".to_vec();
        bytes[HEADER.len()] = b'x';
        bytes.extend_from_slice(b"1,a,2,,France,\xfe\x00\r\x80\n");
        assert_eq!(lines(bytes).remove(0).unwrap(), line("1", "a", 2, "", "France"));
    }

    #[test]
    fn gzip_is_told_by_its_bytes_and_may_have_members() {
        let mut bytes = gzip(HEADER.as_bytes());
        bytes.extend(gzip(b"1,a,2,7,France\n"));
        assert_eq!(lines(bytes).remove(0).unwrap(), line("1", "a", 2, "7", "France"));
    }

    #[test]
    fn a_gzipped_file_that_ends_early_is_named_so() {
        let text = format!("{HEADER}{}", "1,a,2,7,France\n".repeat(10));
        let whole = gzip(text.as_bytes());
        let error = lines(&whole[..whole.len() - 4]).into_iter().find_map(Result::err).unwrap();
        assert!(matches!(error, InvoiceError::Truncated { .. }), "{error:?}");
        let error = open(&whole[..12]).err().unwrap();
        assert!(matches!(error, InvoiceError::Truncated { lines: 0, .. }), "{error:?}");
    }

    #[test]
    fn a_gzipped_file_with_a_flipped_bit_is_named_so() {
        let mut bytes = gzip(format!("{HEADER}1,a,2,7,France\n").as_bytes());
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        let mut seen = lines(bytes);
        let error = seen.pop().unwrap().unwrap_err();
        assert!(matches!(error, InvoiceError::Damaged { lines: 2, .. }), "{error:?}");
    }

    #[test]
    fn each_flaw_is_named() {
        assert_eq!(flaw(b"1,a,2,7\n"), Flaw::Width { found: 4, expected: 5 });
        assert_eq!(flaw(b"1,a,2,7,France,x\n"), Flaw::Width { found: 6, expected: 5 });
        assert_eq!(flaw(b"1,\"a,2,7,France\n"), Flaw::OpenQuote);
        assert_eq!(flaw(b"1, ,2,7,France\n"), Flaw::NoStockCode);
        assert_eq!(flaw(b"1,a,2,\xff,France\n"), Flaw::NotUtf8 { column: "customer_id" });
        for text in ["", "2.5", "2.", ".0", "2.0.0", "two", "1000000001", "-9999999999999999999999"]
        {
            let expected = Flaw::Quantity { text: text.to_owned() };
            assert_eq!(flaw(format!("1,a,{text},7,France\n").as_bytes()), expected);
        }
        let comma = Flaw::Quantity { text: "2,0".to_owned() };
        assert_eq!(flaw(b"1,a,\"2,0\",7,France\n"), comma);
    }

    #[test]
    fn a_decimal_quantity_that_is_whole_is_that_number() {
        for (text, quantity) in
            [("2.0", 2), (" -6.00 ", -6), ("0.0", 0), ("1000000000.0", MAX_QUANTITY)]
        {
            let seen = lines(format!("{HEADER}1,a,{text},7,France\n")).remove(0).unwrap();
            assert_eq!(seen.quantity, quantity);
        }
    }

    #[test]
    fn reading_goes_on_behind_a_malformed_line_and_ends_behind_a_fatal_error() {
        let seen = lines(format!("{HEADER}1,a,x,7,France\n\n2,b,1,7,France\n"));
        assert_eq!(seen.len(), 2);
        let error = seen[0].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("in.csv, line 2: quantity \"x\""), "{error}");
        assert_eq!(seen[1].as_ref().unwrap(), &line("2", "b", 1, "7", "France"));
        let whole = gzip(format!("{HEADER}1,a,1,7,France\n").as_bytes());
        let seen = lines(&whole[..whole.len() - 1]);
        assert_eq!(seen.iter().filter(|line| line.is_err()).count(), 1);
    }

    #[test]
    fn all_missing_columns_are_named_with_those_found() {
        let error = open("invoice,quantity,Country,customer_id\n").err().unwrap();
        assert_eq!(error.to_string(), "in.csv has no column `stock_code`");
        let error = open("invoice,amount,Country\n").err().unwrap();
        let missing = "columns `stock_code`, `quantity`, `customer_id`";
        assert_eq!(error.to_string(), format!("in.csv has no {missing}"));
        assert_eq!(error.help(), format!("name {missing}; found were: invoice, amount, Country"));
    }

    #[test]
    fn semicolons_and_tabs_stand_between_columns_where_the_header_has_them() {
        for delimiter in [";", "\t"] {
            let text = format!("{HEADER}1,\"a,b\",2,7,France\n");
            let text = text.replace(',', delimiter).replace(&format!("a{delimiter}b"), "a,b");
            assert_eq!(lines(text).remove(0).unwrap(), line("1", "a,b", 2, "7", "France"));
        }
    }

    #[test]
    fn what_is_no_csv_is_refused() {
        for bytes in [b"".as_slice(), b"\n\n", b"\x7fELF\x02\x01\x01\x00\x00,\n", b"\"invoice,\n"] {
            let error = open(bytes).err().unwrap();
            assert!(matches!(error, InvoiceError::NotCsv { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Invoices::open(Path::new("no/such.csv")).err().unwrap();
        assert_eq!(error.to_string(), "cannot read no/such.csv");
        assert!(std::error::Error::source(&error).is_some());
    }
}
