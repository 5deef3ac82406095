//! The invoices of a replay: from a file or made up, gathered into transactions.

use std::path::Path;

use crate::invoices::{InvoiceError, Invoices};
use crate::synthetic::Synthetic;
use crate::transactions::{Gathering, Transaction};

/// So many skipped lines are shown one by one.
const SHOWN: u64 = 5;

/// What there is to replay.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// The transactions, in the order of the file.
    pub(crate) transactions: Vec<Transaction>,
    /// How many lines they have together.
    pub(crate) lines: u64,
    /// How many malformed lines were left out.
    pub(crate) skipped: u64,
}

impl Intake {
    /// Reads the file at `path`; a malformed line stops it if `strict`, and else is passed to
    /// `warn` (the first few) and counted.
    ///
    /// # Errors
    /// Those of [`Invoices`].
    pub(crate) fn read(
        path: &Path,
        strict: bool,
        mut warn: impl FnMut(&str),
    ) -> Result<Intake, InvoiceError> {
        let mut intake = Intake::default();
        let mut gathering = Gathering::default();
        for line in Invoices::open(path)? {
            match line {
                Ok(line) => {
                    intake.lines += 1;
                    gathering.push(line);
                }
                Err(malformed @ InvoiceError::Malformed { .. }) if !strict => {
                    intake.skipped += 1;
                    if intake.skipped <= SHOWN {
                        warn(&format!("{malformed}; skipped"));
                    }
                }
                Err(fatal) => return Err(fatal),
            }
        }
        if intake.skipped > SHOWN {
            warn(&format!("{} more lines skipped", intake.skipped - SHOWN));
        }
        Ok(Intake { transactions: gathering.finish(), ..intake })
    }

    /// Makes up `invoices` invoices.
    pub(crate) fn make_up(seed: u64, invoices: usize) -> Intake {
        let mut intake = Intake::default();
        let mut gathering = Gathering::default();
        for line in Synthetic::new(seed, invoices) {
            intake.lines += 1;
            gathering.push(line);
        }
        Intake { transactions: gathering.finish(), ..intake }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(lines: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "invoice,stock_code,quantity,customer_id,country\n{lines}").unwrap();
        file
    }

    #[test]
    fn malformed_lines_are_counted_and_the_first_are_shown() {
        let bad = "1,a,x,7,France\n".repeat(7);
        let file = file(&format!("1,a,1,7,France\n{bad}1,b,2,7,France\n"));
        let mut warnings = Vec::new();
        let read = Intake::read(file.path(), false, |warning| warnings.push(warning.to_owned()));
        let intake = read.unwrap();
        assert_eq!((intake.lines, intake.skipped, intake.transactions.len()), (2, 7, 1));
        assert_eq!(warnings.len(), 6);
        assert!(warnings[0].contains("line 3: quantity \"x\""), "{}", warnings[0]);
        assert_eq!(warnings[5], "2 more lines skipped");
    }

    #[test]
    fn strict_reading_stops_at_the_first() {
        let file = file("1,a,1,7,France\n1,a,,7,France\n1,a,x,7,France\n");
        let error = Intake::read(file.path(), true, |_| panic!("a warning")).unwrap_err();
        assert!(error.to_string().contains(", line 3:"), "{error}");
    }

    #[test]
    fn made_up_invoices_are_transactions() {
        let intake = Intake::make_up(1, 30);
        assert_eq!(intake.transactions.len(), 30);
        let lines: usize = intake.transactions.iter().map(|t| t.lines.len()).sum();
        assert_eq!((intake.lines, intake.skipped), (lines as u64, 0));
    }
}
