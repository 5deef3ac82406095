//! What most programs use: `use rejoin::prelude::*;`

pub use crate::crdts::{
    ConflictRecord, Delta, EditError, Key, LwwRegister, OrMap, OrSet, PnCounter, ReadError,
};
pub use crate::replica::{Change, Committed, Durability, Once, Receipt, Watch};
pub use crate::{Crdt, FreshId, Replica, ReplicaId};
pub use crate::{Space, Store, StoreError, Ticket};
