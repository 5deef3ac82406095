//! How much fits in: every limit on what is stored and sent, in one place.
//!
//! What is accepted can be stored, sent, folded, backed up and salvaged, whatever its bytes are. What
//! is not is refused where it is handed in, by an error that has its length and the limit; nothing of
//! its transaction happens. What a peer sends beyond a limit ends its session, with the reason; state
//! is as it was.
//!
//! | what | at most | counted as | refused with |
//! |---|---|---|---|
//! | value of a register | [`MAX_VALUE_BYTES`], 8 MiB | a text's or byte string's own length, a pair's items | [`EditError::ValueTooLarge`]: store it in parts |
//! | values of a transaction | [`MAX_TRANSACTION_BYTES`], 8 MiB | the sum of the above | [`StoreError::TooLarge`]: split it |
//! | transaction | [`MAX_WRITTEN_BYTES`], 17 MiB | its bytes in the log: values, the keys on the way to their places, what ends there | [`StoreError::TooMuch`]: split it, or use shorter keys |
//! | keys on the way to a place, or to a set's element | [`MAX_PATH_BYTES`], 4,096 | their lengths, 4 more for each level, 1 for each zero byte in them | [`EditError::PathTooLong`] |
//! | levels of nesting | [`MAX_LEVELS`], 64 | objects, maps, lists, fields | [`EditError::PathTooDeep`] |
//! | pairs in pairs, within one key or value | [`MAX_DEPTH`], 16 | levels | [`EditError::Unreadable`] |
//! | idempotency key | [`MAX_KEY_BYTES`], 4,096 | bytes | [`StoreError::NameTooLong`] |
//! | name of a space | [`MAX_NAME_BYTES`], 4,096 | bytes; its ticket has two letters for each, and 51 | [`StoreError::NameTooLong`] |
//! | transactions of one replica | [`MAX_COUNTER`], 2^40 operations | all that it ever wrote | [`EditError::CountersExhausted`] |
//! | entry of a peer | [`MAX_ENTRY_BYTES`], 18 MiB | a transaction, with room to name all replicas where it was written anew | the session ends |
//! | frame between peers | [`MAX_FRAME_BYTES`] | its body; room for any one entry | the session ends |
//! | replicas that ever wrote in a space | 2^24, and about 230,000 that one frame can name | ids | the session ends |
//!
//! A path is repeated in a transaction, up to one time in five, so that what is decoded stays within
//! a small multiple of what is sent: 20,000 inserts below one key of 3,000 bytes take 15 MB. Where
//! much stands below it, a short key costs less.
//!
//! There is no limit on objects, elements, items, or the size of a space. Bounds that only keep
//! memory in check, and refuse nothing for good, are in [`Config`](crate::replica::Config).
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
//! [`EditError::ValueTooLarge`]: crate::crdts::EditError::ValueTooLarge
//! [`EditError::PathTooLong`]: crate::crdts::EditError::PathTooLong
//! [`EditError::PathTooDeep`]: crate::crdts::EditError::PathTooDeep
//! [`EditError::Unreadable`]: crate::crdts::EditError::Unreadable
//! [`EditError::CountersExhausted`]: crate::crdts::EditError::CountersExhausted
//! [`StoreError::TooLarge`]: crate::StoreError::TooLarge
//! [`StoreError::TooMuch`]: crate::StoreError::TooMuch
//! [`StoreError::NameTooLong`]: crate::StoreError::NameTooLong

pub use rejoin_crdts::atom::{MAX_DEPTH, MAX_VALUE_BYTES};
pub use rejoin_crdts::path::{MAX_LEVELS, MAX_PATH_BYTES};
pub use rejoin_replica::MAX_NAME_BYTES;
pub use rejoin_replica::entry::{
    MAX_ENTRY_BYTES, MAX_KEY_BYTES, MAX_TRANSACTION_BYTES, MAX_WRITTEN_BYTES,
};
pub use rejoin_replica::message::MAX_FRAME_BYTES;
pub use rejoin_vclock::MAX_COUNTER;
