//! The error of `validate()` for a value that contradicts its own documentation.

use core::{error::Error, fmt};

/// An invariant of a type's documentation that does not hold: a bug in this crate.
///
/// No public constructor or decoder can make a value that gives this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenInvariant {
    /// The type whose documentation numbers the invariant.
    pub of: &'static str,
    /// The number under "Invariants" there.
    pub number: u8,
}

impl BrokenInvariant {
    /// `Ok` if the invariant holds.
    pub(crate) fn unless(holds: bool, of: &'static str, number: u8) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { of, number }) }
    }
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, number } = self;
        write!(f, "invariant {number} of {of} does not hold; this is a bug, please report it")
    }
}

impl Error for BrokenInvariant {}
