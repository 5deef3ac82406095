//! Planted bugs by their names.

use std::fmt;
use std::process::ExitCode;

use super::{Mutant, PLANTED};

/// Finds a planted bug by its name.
///
/// # Errors
/// [`UnknownMutant`] if no bug of this name is planted.
pub(crate) fn find(name: &str) -> Result<&'static Mutant, UnknownMutant> {
    PLANTED.iter().find(|mutant| mutant.name == name).ok_or(UnknownMutant)
}

/// The error that no bug of this name is planted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownMutant;

impl fmt::Display for UnknownMutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = PLANTED.iter().map(|mutant| mutant.name).collect::<Vec<_>>();
        write!(f, "no such planted bug; there are: {}", names.join(", "))
    }
}

impl std::error::Error for UnknownMutant {}

/// `--list`: prints the table.
pub(crate) fn list() -> ExitCode {
    for Mutant { name, class, lines, brings_back, .. } in PLANTED.iter() {
        let lines = lines.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        println!("{name:<26} {class:<14} {lines:<8} {brings_back}");
    }
    println!("{} planted", PLANTED.len());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("nothing").map(|mutant| mutant.name).unwrap_err().to_string();
        assert!(error.contains("log-by-origin"), "{error}");
    }
}
