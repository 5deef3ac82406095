//! The tests that every backend must pass, also one of your own (feature `conformance`).
//!
//! Implement [`Medium`], which opens your backend, and let [`storage_conformance!`] make a test of
//! each [`Duty`]; or call [`check`]. A failure names the duty that was broken.
//!
//! ```
//! use std::sync::Arc;
//! use rejoin_storage::conformance::{Duty, Medium, check};
//! use rejoin_storage::{Memory, Storage, StorageError};
//!
//! struct Ram(Arc<Memory>);
//!
//! impl Medium for Ram {
//!     fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
//!         let storage: Arc<dyn Storage> = self.0.clone();
//!         Ok(storage)
//!     }
//! }
//!
//! let fresh = || -> Box<dyn Medium> { Box::new(Ram(Arc::default())) };
//! for duty in Duty::ALL {
//!     check(duty, &fresh).expect("memory does its duties");
//! }
//! ```
//!
//! [`storage_conformance!`]: crate::storage_conformance

mod lasting;
mod medium;
mod reading;
mod shared;
pub(crate) mod trial;

use std::fmt;

pub use medium::Medium;
use trial::Flaw;

/// A promise that a backend makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Duty {
    /// All three tables read back what was written, and nothing else is there.
    ReadsBack,
    /// Ranges are ascending, keep to their limits, and end where the space ends.
    Ranges,
    /// The last write to a place counts; a row that is removed is gone.
    Overwrites,
    /// Empty keys, and keys and bytes of every value, are kept as they are.
    Keys,
    /// Records of the [greatest length](crate::MAX_STORED_BYTES) and ten thousand
    /// small ones are kept as they are.
    Sizes,
    /// The log ends behind its last record, separately for each space.
    LogEnd,
    /// A batch is seen as a whole or not at all.
    Atomic,
    /// A snapshot does not change, whatever is committed after it.
    Snapshots,
    /// Readers beside a writer see what was committed: no gaps, and nothing that goes back.
    Readers,
    /// Opening again shows exactly what was committed.
    Lasting,
    /// After `compact` and `verify` everything is as before.
    Upkeep,
    /// A damaged medium returns what was written, or an error; never other bytes. Kept without a
    /// look where a medium cannot be damaged, as [`Medium::damaged`] says by default.
    Damage,
}

impl Duty {
    /// All duties.
    pub const ALL: [Self; 12] = [
        Self::ReadsBack,
        Self::Ranges,
        Self::Overwrites,
        Self::Keys,
        Self::Sizes,
        Self::LogEnd,
        Self::Atomic,
        Self::Snapshots,
        Self::Readers,
        Self::Lasting,
        Self::Upkeep,
        Self::Damage,
    ];

    /// Returns the promise in words.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::ReadsBack => "what was written is read back, and nothing else is there",
            Self::Ranges => "ranges ascend, keep to limits, and end where the space ends",
            Self::Overwrites => "the last write stands, and a row taken away is gone",
            Self::Keys => "keys and bytes of every value are kept as they are",
            Self::Sizes => "large records and many small ones are kept as they are",
            Self::LogEnd => "the log ends behind its last record",
            Self::Atomic => "a batch is seen as a whole or not at all",
            Self::Snapshots => "a snapshot does not move",
            Self::Readers => "readers beside a writer see what was committed",
            Self::Lasting => "opening again shows exactly what was committed",
            Self::Upkeep => "compact and verify change nothing that is stored",
            Self::Damage => "a damaged medium gives an error, never other bytes",
        }
    }
}

/// A promise that a backend did not keep.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Broken {
    /// The duty.
    pub duty: Duty,
    /// Description of what was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "duty {:?} ({}) is broken: {}", self.duty, self.duty.promise(), self.what)
    }
}

impl std::error::Error for Broken {}

/// Checks one duty of a backend. `fresh` makes a medium with nothing on it.
///
/// # Errors
/// [`Broken`] with the first flaw that was seen.
pub fn check(duty: Duty, fresh: &dyn Fn() -> Box<dyn Medium>) -> Result<(), Broken> {
    let medium = fresh();
    let medium = &*medium;
    let kept = match duty {
        Duty::ReadsBack => reading::reads_back(medium),
        Duty::Ranges => reading::ranges(medium),
        Duty::Overwrites => reading::overwrites(medium),
        Duty::Keys => reading::keys(medium),
        Duty::Sizes => lasting::sizes(medium),
        Duty::LogEnd => reading::log_end(medium),
        Duty::Atomic => shared::atomic(medium),
        Duty::Snapshots => shared::snapshots(medium),
        Duty::Readers => shared::readers(medium),
        Duty::Lasting => lasting::lasting(medium),
        Duty::Upkeep => lasting::upkeep(medium),
        Duty::Damage => lasting::damage(medium),
    };
    kept.map_err(|Flaw(what)| Broken { duty, what })
}

/// Makes a test of every duty. The argument is a function that makes a fresh medium of the backend.
///
/// ```
/// # use std::sync::Arc;
/// # use rejoin_storage::{Memory, Storage, StorageError, conformance::Medium};
/// #[derive(Default)]
/// struct Ram(Arc<Memory>);
///
/// impl Medium for Ram {
///     fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
///         let storage: Arc<dyn Storage> = self.0.clone();
///         Ok(storage)
///     }
/// }
///
/// rejoin_storage::storage_conformance!(Ram::default);
/// ```
#[macro_export]
macro_rules! storage_conformance {
    ($fresh:expr) => {
        $crate::storage_conformance!(
            $fresh;
            reads_back ReadsBack, ranges Ranges, overwrites Overwrites, keys Keys, sizes Sizes,
            log_end LogEnd, atomic Atomic, snapshots Snapshots, readers Readers, lasting Lasting,
            upkeep Upkeep, damage Damage
        );
    };
    ($fresh:expr; $($name:ident $duty:ident),*) => {
        $(
            #[test]
            fn $name() {
                let fresh = || -> Box<dyn $crate::conformance::Medium> {
                    Box::new($fresh())
                };
                let duty = $crate::conformance::Duty::$duty;
                if let Err(broken) = $crate::conformance::check(duty, &fresh) {
                    panic!("{broken}");
                }
            }
        )*
    };
}
