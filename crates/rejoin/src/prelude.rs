//! The names that most programs use: `use rejoin::prelude::*;`

#[cfg(feature = "machine")]
pub use crate::Replica;
pub use crate::crdts::OneOf;
#[cfg(feature = "json")]
pub use crate::crdts::PutJson;
pub use crate::crdts::ordered::Parent;
pub use crate::crdts::{
    Action, BelowFloor, ConflictRecord, Delta, Edit, EditError, ReadError, Value,
};
pub use crate::crdts::{
    BoundedCounter, DisableWinsFlag, Doc, EnableWinsFlag, GCounter, GSet, List, LwwRegister,
    MaxRegister, MinRegister, MvRegister, OrMap, OrSet, PnCounter, RetiredIds, RwSet, Tree,
    TwoPhaseSet,
};
pub use crate::replica::{
    Change, Choice, Committed, Conflict, Durability, Once, Receipt, Removal, SyncProgress, Watch,
};
pub use crate::resolve::{Policy, Siblings};
pub use crate::vclock::VersionVector;
pub use crate::{Atom, Crdt, FreshId, Key, ReplicaId};
pub use crate::{Space, Store, StoreError, Ticket};
