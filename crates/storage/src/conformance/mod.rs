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
mod reading;
mod shared;
pub(crate) mod trial;

use std::fmt;
use std::sync::Arc;

use trial::{Finding, Flaw};

use crate::{Storage, StorageError};

/// The place where a backend keeps a store: a file, a directory, a server.
pub trait Medium: Send + Sync {
    /// Opens what is there, or an empty storage if nothing is there yet. The suite drops every
    /// handle before it opens again.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be opened.
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError>;

    /// Copies what is there, while nobody has it open, with damage that follows from the number:
    /// each number flips another bit or cuts off at another place. Returns `None` when the numbers
    /// are used up; by default there are none.
    fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
        let _ = number;
        None
    }
}

macro_rules! duties {
    ($($(#[doc = $doc:literal])* $duty:ident, $promise:literal, $kept:path;)*) => {
        /// A promise that a backend makes.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        pub enum Duty {
            $($(#[doc = $doc])* $duty,)*
        }

        impl Duty {
            /// All duties.
            pub const ALL: [Self; [$(Self::$duty),*].len()] = [$(Self::$duty),*];

            /// Returns the promise in words.
            pub const fn promise(self) -> &'static str {
                match self {
                    $(Self::$duty => $promise,)*
                }
            }

            fn kept(self, medium: &dyn Medium) -> Finding {
                match self {
                    $(Self::$duty => $kept(medium),)*
                }
            }
        }
    };
}

duties! {
    /// All three tables read back what was written, and nothing else is there.
    ReadsBack, "what was written is read back, and nothing else is there", reading::reads_back;
    /// Ranges are ascending, keep to their limits, and end where the space ends.
    Ranges, "ranges ascend, keep to limits, and end where the space ends", reading::ranges;
    /// The last write to a place counts; a row that is removed is gone.
    Overwrites, "the last write stands, and a row taken away is gone", reading::overwrites;
    /// Empty keys, and keys and bytes of every value, are kept as they are.
    Keys, "keys and bytes of every value are kept as they are", reading::keys;
    /// Records of the [greatest length](crate::MAX_STORED_BYTES) and ten thousand
    /// small ones are kept as they are.
    Sizes, "large records and many small ones are kept as they are", lasting::sizes;
    /// The log ends behind its last record, separately for each space.
    LogEnd, "the log ends behind its last record", reading::log_end;
    /// A batch is seen as a whole or not at all.
    Atomic, "a batch is seen as a whole or not at all", shared::atomic;
    /// A snapshot does not change, whatever is committed after it.
    Snapshots, "a snapshot does not move", shared::snapshots;
    /// Readers beside a writer see what was committed: no gaps, and nothing that goes back.
    Readers, "readers beside a writer see what was committed", shared::readers;
    /// Opening again shows exactly what was committed.
    Lasting, "opening again shows exactly what was committed", lasting::lasting;
    /// After `compact` and `verify` everything is as before.
    Upkeep, "compact and verify change nothing that is stored", lasting::upkeep;
    /// A damaged medium returns what was written, or an error; never other bytes. Kept without a
    /// look where a medium cannot be damaged, as [`Medium::damaged`] says by default.
    Damage, "a damaged medium gives an error, never other bytes", lasting::damage;
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
    duty.kept(&*fresh()).map_err(|Flaw(what)| Broken { duty, what })
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
