//! The invoices of a replay: from a file or made up, gathered into transactions.
//!
//! A replay says nothing about the lines that it skipped. So a file of which no lines can be taken,
//! or fewer than are skipped, is refused before anything is sold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::Advice;
use crate::replay::invoices::{InvoiceError, Invoices};
use crate::replay::synthetic::Synthetic;
use crate::replay::transactions::{Gathering, Transaction};

/// Maximum number of skipped lines that are shown one by one.
const SHOWN: usize = 5;

/// The input of a replay.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// The transactions, in the order of the file.
    pub(crate) transactions: Vec<Transaction>,
    /// The number of lines in all of them.
    pub(crate) lines: u64,
    /// The malformed lines that were skipped.
    pub(crate) skips: Skips,
}

/// Lines that were skipped, and the reasons.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    by_reason: BTreeMap<&'static str, u64>,
    /// The messages about the first ones.
    first: Vec<String>,
}

impl Skips {
    /// Returns the number of skipped lines.
    pub(crate) fn lines(&self) -> u64 {
        self.by_reason.values().sum()
    }

    fn add(&mut self, reason: &'static str, told: String) {
        *self.by_reason.entry(reason).or_default() += 1;
        if self.first.len() < SHOWN {
            self.first.push(told);
        }
    }

    /// Returns messages about the first ones, and the count of each reason; empty if there are
    /// none.
    pub(crate) fn told(&self) -> Vec<String> {
        let reasons = self.by_reason.iter();
        let counts = reasons.map(|(reason, lines)| format!("skipped {lines}: {reason}"));
        self.first.iter().cloned().chain(counts).collect()
    }
}

/// The way malformed lines are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The first one ends the reading.
    Stop,
    /// They are skipped, unless there are more of them than of the others.
    Skip,
    /// They are skipped, even if there are more of them than of the others.
    SkipAny,
}

impl Intake {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`IntakeError::Invoices`] when it cannot be read; the others when a replay of the lines that
    /// were taken would say nothing about the file.
    pub(crate) fn read(path: &Path, malformed: Malformed) -> Result<Intake, IntakeError> {
        let mut intake = Intake::default();
        let mut gathering = Gathering::default();
        for line in Invoices::open(path)? {
            match line {
                Ok(line) => {
                    intake.lines += 1;
                    gathering.push(line);
                }
                Err(error) => match &error {
                    InvoiceError::Malformed { flaw, .. } if malformed != Malformed::Stop => {
                        intake.skips.add(flaw.reason(), error.to_string());
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        let intake = Intake { transactions: gathering.finish(), ..intake };
        let path = path.to_owned();
        match (intake.lines, intake.skips.lines()) {
            (0, 0) => Err(IntakeError::NoLines { path }),
            (0, _) => Err(IntakeError::Nothing { path, skips: intake.skips }),
            (lines, skipped) if skipped > lines && malformed == Malformed::Skip => {
                Err(IntakeError::MostlySkipped { path, lines, skips: intake.skips })
            }
            _ => Ok(intake),
        }
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

/// The reason why there is nothing to replay.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum IntakeError {
    /// The file cannot be read.
    Invoices(InvoiceError),
    /// It has a header, but no lines.
    NoLines { path: PathBuf },
    /// Each of its lines is malformed.
    Nothing { path: PathBuf, skips: Skips },
    /// More of its lines are malformed than not.
    MostlySkipped { path: PathBuf, lines: u64, skips: Skips },
}

impl From<InvoiceError> for IntakeError {
    fn from(error: InvoiceError) -> IntakeError {
        IntakeError::Invoices(error)
    }
}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntakeError::Invoices(error) => error.fmt(f),
            IntakeError::NoLines { path } => {
                write!(f, "{} has a header line and no invoices", path.display())
            }
            IntakeError::Nothing { path, skips } => {
                write!(f, "none of the {} lines of {} can be taken", skips.lines(), path.display())
            }
            IntakeError::MostlySkipped { path, lines, skips } => {
                let all = lines + skips.lines();
                write!(f, "only {lines} of the {all} lines of {} can be taken", path.display())
            }
        }
    }
}

impl std::error::Error for IntakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IntakeError::Invoices(error) => error.source(),
            IntakeError::NoLines { .. }
            | IntakeError::Nothing { .. }
            | IntakeError::MostlySkipped { .. } => None,
        }
    }
}

impl Advice for IntakeError {
    fn help(&self) -> String {
        match self {
            IntakeError::Invoices(error) => return error.help(),
            IntakeError::NoLines { .. } => {
                "give a file with invoices, or none to replay made-up ones"
            }
            IntakeError::Nothing { .. } => "correct the file; nothing of it was replayed",
            IntakeError::MostlySkipped { .. } => {
                "correct the file, or give --allow-skips to replay the lines that can be taken"
            }
        }
        .to_owned()
    }

    fn details(&self) -> Vec<String> {
        match self {
            IntakeError::Nothing { skips, .. } | IntakeError::MostlySkipped { skips, .. } => {
                skips.told()
            }
            IntakeError::Invoices(_) | IntakeError::NoLines { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(lines: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "invoice,stock_code,quantity,customer_id,country\n{lines}").unwrap();
        file
    }

    fn read(lines: &str, malformed: Malformed) -> Result<Intake, IntakeError> {
        Intake::read(file(lines).path(), malformed)
    }

    const GOOD: &str = "1,a,1,7,France\n";
    const BAD: &str = "1,a,2.5,7,France\n";

    #[test]
    fn malformed_lines_are_counted_by_reason_and_the_first_are_shown() {
        let bad = format!("{}{}", BAD.repeat(7), "1, ,2,7,France\n".repeat(2));
        let intake = read(&format!("{}{bad}", GOOD.repeat(9)), Malformed::Skip).unwrap();
        assert_eq!((intake.lines, intake.skips.lines(), intake.transactions.len()), (9, 9, 1));
        let told = intake.skips.told();
        assert_eq!(told.len(), 7);
        assert!(told[0].contains("line 11: quantity \"2.5\""), "{}", told[0]);
        assert_eq!(
            told[5..],
            ["skipped 7: a quantity that is no whole number", "skipped 2: an empty stock_code",]
        );
    }

    #[test]
    fn strict_reading_stops_at_the_first() {
        let text = "1,a,1,7,France\n1,a,,7,France\n1,a,x,7,France\n";
        let error = read(text, Malformed::Stop).unwrap_err();
        assert!(error.to_string().contains(", line 3:"), "{error}");
    }

    #[test]
    fn a_file_of_which_nothing_was_taken_is_refused_whatever_is_allowed() {
        for malformed in [Malformed::Stop, Malformed::Skip, Malformed::SkipAny] {
            assert!(matches!(read("", malformed), Err(IntakeError::NoLines { .. })));
        }
        for malformed in [Malformed::Skip, Malformed::SkipAny] {
            let error = read(&BAD.repeat(3), malformed).unwrap_err();
            assert!(error.to_string().starts_with("none of the 3 lines"), "{error}");
            assert_eq!(error.details().len(), 4);
        }
    }

    #[test]
    fn more_skipped_than_taken_is_refused_unless_it_is_allowed() {
        let text = format!("{GOOD}{}", BAD.repeat(2));
        let error = read(&text, Malformed::Skip).unwrap_err();
        assert!(error.to_string().starts_with("only 1 of the 3 lines"), "{error}");
        assert!(error.help().contains("--allow-skips"), "{}", error.help());
        assert_eq!(read(&text, Malformed::SkipAny).unwrap().skips.lines(), 2);
    }

    #[test]
    fn made_up_invoices_are_transactions() {
        let intake = Intake::make_up(1, 30);
        assert_eq!(intake.transactions.len(), 30);
        let lines: usize = intake.transactions.iter().map(|t| t.lines.len()).sum();
        assert_eq!((intake.lines, intake.skips.lines()), (lines as u64, 0));
    }
}
