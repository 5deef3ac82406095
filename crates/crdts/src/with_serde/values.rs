//! serde for visible values: a readable format for people, pages and scripts.
//!
//! One way only: a visible value lacks the dots that merging needs. To keep or to send a value,
//! take [`Replica::save`](crate::Replica::save) or the deltas. With the feature
//! `json` what is there takes this form as a change (`PutJson`).
//!
//! | value | written as |
//! |---|---|
//! | map, struct | a map; a name that is no string is written as it is shown |
//! | list, set, several values | a sequence |
//! | counter | a number; beyond 2^53 in magnitude a string |
//! | register, flag | the scalar |
//! | tree | a sequence of `{"depth", "value", "lost"}` |
//! | clash | `{"clash": [[kind, value], ..]}` |

use alloc::string::{String, ToString};

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::crdt::Crdt;
use crate::ordered::Outline;
use crate::path::{Atom, Key, RawAtom};
use crate::register::{Extreme, ExtremeRegister};
use crate::replica::Replica;
use crate::value::{Branch, Value};
use crate::{
    BoundedCounter, Clock, DisableWinsFlag, Doc, EnableWinsFlag, GCounter, GSet, List, LwwRegister,
    MvRegister, OrMap, OrSet, PnCounter, RwSet, Tree, TwoPhaseSet,
};

/// The greatest integer that a browser's numbers hold exactly.
const GREATEST_EXACT: i128 = 1 << 53;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(name, value)| (name_of(name), value)))
            }
            Self::List(values) => serializer.collect_seq(values),
            Self::Set(atoms) | Self::Several(atoms) => serializer.collect_seq(atoms),
            Self::Count(sum) if sum.unsigned_abs() > GREATEST_EXACT.unsigned_abs() => {
                serializer.collect_str(sum)
            }
            Self::Count(sum) => serializer.serialize_i64(i64::try_from(*sum).unwrap_or(i64::MAX)),
            Self::Scalar(atom) => atom.serialize(serializer),
            Self::Flag(on) => serializer.serialize_bool(*on),
            Self::Tree(branches) => serializer.collect_seq(branches),
            Self::Clash(values) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("clash", values)?;
                map.end()
            }
        }
    }
}

pub(crate) fn name_of(name: &RawAtom) -> String {
    name.to::<String>().unwrap_or_else(|_| name.to_string())
}

impl Serialize for Branch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut branch = serializer.serialize_struct("Branch", 3)?;
        branch.serialize_field("depth", &self.depth)?;
        branch.serialize_field("value", &self.value)?;
        branch.serialize_field("lost", &self.is_lost)?;
        branch.end()
    }
}

/// Written as a sequence of (node, parent).
impl Serialize for Outline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Writes a type as its visible value.
macro_rules! as_value {
    ($([$($generics:tt)*] $type:ty,)*) => {$(
        impl<$($generics)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Value::of_crdt(self).serialize(serializer)
            }
        }
    )*};
}

as_value! {
    [] BoundedCounter,
    [] DisableWinsFlag,
    [] Doc,
    [] EnableWinsFlag,
    [] GCounter,
    [] PnCounter,
    [T: Atom + 'static] LwwRegister<T>,
    [T: Atom + 'static] MvRegister<T>,
    [T: Atom + 'static, E: Extreme] ExtremeRegister<T, E>,
    [T: Key + 'static] GSet<T>,
    [T: Key + 'static] OrSet<T>,
    [T: Key + 'static] RwSet<T>,
    [T: Key + 'static] TwoPhaseSet<T>,
    [K: Key + 'static, V: Crdt + 'static] OrMap<K, V>,
    [V: Crdt + 'static] List<V>,
    [V: Crdt + 'static] Tree<V>,
}

/// Writes the visible value, with the data beside the type. Nothing reads a replica back in: a copy
/// is a fork, and a saved one is loaded under a fresh id.
impl<T: Crdt, C: Clock> Serialize for Replica<T, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}
