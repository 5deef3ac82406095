//! Maintenance of a store: backups that are known to be readable, restoring them, checking, giving
//! back space, and inspection.
//!
//! Writers of an open store go on meanwhile: what is read of it is a
//! [snapshot](crate::storage::Storage::snapshot). Operations take a bounded amount of memory, apart
//! from [`Depth::Replayed`], which holds the state, and salvage, which lists all records. They
//! report their progress, and stop if the answer is to stop; a file that was to be made is not
//! there then.
//!
//! ```
//! # #[cfg(feature = "redb")] {
//! use std::ops::ControlFlow;
//!
//! use rejoin_crdts::{OrMap, PnCounter};
//! use rejoin_replica::Store;
//! use rejoin_replica::ops::{Depth, Overwrite, Restore, restore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let (path, backup) = (directory.path().join("shop"), directory.path().join("shop.backup"));
//! let store = Store::open(&path)?;
//! let carts = store.create_space::<OrMap<String, PnCounter>>("carts")?;
//! carts.transact(|tx| tx.object("alice").entry("apples").add(2))?;
//!
//! let mut go_on = |_: rejoin_replica::ops::Progress<'_>| ControlFlow::Continue(());
//! assert!(store.verify(Depth::Stored, &mut go_on)?.is_sound());
//! store.backup(&backup, &mut go_on)?; // others may write on
//!
//! drop((carts, store));
//! let how = Restore { overwrite: Overwrite::Replace, ..Restore::default() };
//! restore(&backup, &path, how, &mut go_on)?; // the old file is kept beside
//! # Ok(())
//! # }
//! # main().expect("it goes well"); }
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "redb")]
mod backup;
mod compact;
mod contents;
mod copied;
mod error;
mod inspect;
#[cfg(feature = "redb")]
mod new_file;
mod progress;
#[cfg(feature = "redb")]
mod reassemble;
mod replay;
#[cfg(feature = "redb")]
mod salvage;
mod verify;

#[cfg(feature = "redb")]
pub use backup::{Copied, Overwrite, Restore, Restored, backup_file, restore};
pub use compact::Compacted;
#[cfg(feature = "redb")]
pub use compact::compact_file;
pub use copied::CopiedFrom;
pub use error::{Finding, Location, OperationError};
#[cfg(feature = "redb")]
pub use inspect::inspect_file;
pub use inspect::{Inspection, SpaceInspection, SpaceState};
pub use progress::{Progress, Step};
#[cfg(feature = "redb")]
pub use salvage::{Salvaged, SalvagedSpace, salvage};
#[cfg(feature = "redb")]
pub use verify::verify_file;
pub use verify::{Checked, Depth, Verification};
