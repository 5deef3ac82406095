//! Every limit on stored and sent data, in one place.
//!
//! ```
//! use rejoin::crdts::EditError;
//! use rejoin::limits::*;
//! use rejoin::prelude::*;
//!
//! let mut note = Replica::<LwwRegister<Vec<u8>>>::new(FreshId::random());
//! note.edit(|note| note.set(vec![0; MAX_VALUE_BYTES]))?;
//! let refused = note.edit(|note| note.set(vec![0; MAX_VALUE_BYTES + 1]));
//! assert!(matches!(refused, Err(EditError::ValueTooLarge { bytes, .. }) if bytes > 8 << 20));
//! assert_eq!([MAX_PATH_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES], [4096; 3]);
//! assert_eq!([MAX_TRANSACTION_BYTES, MAX_WRITTEN_BYTES], [8 << 20, 17 << 20]);
//! assert_eq!([MAX_LEVELS, MAX_DEPTH], [64, 16]);
//! # Ok::<(), EditError>(())
//! ```
//!
#![doc = include_str!("../guide/limits.md")]

pub use rejoin_crdts::path::{MAX_DEPTH, MAX_LEVELS, MAX_PATH_BYTES, MAX_VALUE_BYTES};
pub use rejoin_replica::MAX_NAME_BYTES;
pub use rejoin_replica::entry::{
    MAX_ENTRY_BYTES, MAX_KEY_BYTES, MAX_TRANSACTION_BYTES, MAX_WRITTEN_BYTES,
};
pub use rejoin_replica::message::MAX_FRAME_BYTES;
pub use rejoin_vclock::MAX_COUNTER;
