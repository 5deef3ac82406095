//! serde for the types whose rules a derive cannot keep: every value enters through the checked
//! constructors, and ids are text in formats that people read.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeStruct,
};

use crate::{Dot, DotRun, DotSet, DottedVersionVector, HybridTimestamp, ReplicaId, VersionVector};

impl Serialize for ReplicaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.to_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self::from_bytes)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename = "Dot")]
struct UncheckedDot {
    replica: ReplicaId,
    counter: u64,
}

impl<'de> Deserialize<'de> for Dot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unchecked = UncheckedDot::deserialize(deserializer)?;
        Self::new(unchecked.replica, unchecked.counter).map_err(Error::custom)
    }
}

impl Serialize for VersionVector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for VersionVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CountsByReplica)
    }
}

struct CountsByReplica;

impl<'de> Visitor<'de> for CountsByReplica {
    type Value = VersionVector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from replica ids to counters of at least 1")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut vector = VersionVector::new();
        while let Some((replica, counter)) = map.next_entry()? {
            let dot = Dot::new(replica, counter).map_err(A::Error::custom)?;
            if vector.get(replica) > 0 {
                return Err(A::Error::custom(format_args!("replica {replica} is named twice")));
            }
            vector.observe(dot);
        }
        Ok(vector)
    }
}

#[derive(Deserialize)]
#[serde(rename = "DotRun")]
struct UncheckedRun {
    replica: ReplicaId,
    first: u64,
    last: u64,
}

impl<'de> Deserialize<'de> for DotRun {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UncheckedRun { replica, first, last } = UncheckedRun::deserialize(deserializer)?;
        let ends = [first, last].map(|counter| Dot::new(replica, counter));
        for end in ends {
            end.map_err(D::Error::custom)?;
        }
        if first > last {
            return Err(D::Error::custom(format_args!("the run {first}..={last} is empty")));
        }
        Ok(Self { replica, first, last })
    }
}

impl Serialize for DotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let runs: Vec<DotRun> = self.runs().collect();
        let mut fields = serializer.serialize_struct("DotSet", 2)?;
        fields.serialize_field("vector", self.vector())?;
        fields.serialize_field("runs", &runs)?;
        fields.end()
    }
}

#[derive(Deserialize)]
#[serde(rename = "DotSet")]
struct UncheckedDotSet {
    vector: VersionVector,
    runs: Vec<DotRun>,
}

impl<'de> Deserialize<'de> for DotSet {
    /// Accepts any spelling of a set: runs that touch or overlap are joined.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unchecked = UncheckedDotSet::deserialize(deserializer)?;
        let mut set = Self::from(unchecked.vector);
        for run in unchecked.runs {
            set.insert_run(run.replica, run.first, run.last).map_err(D::Error::custom)?;
        }
        Ok(set)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Sibling")]
struct Sibling<T> {
    dot: Dot,
    value: T,
}

impl<T: Serialize> Serialize for DottedVersionVector<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let siblings: Vec<_> = self.siblings().map(|(dot, value)| Sibling { dot, value }).collect();
        let mut fields = serializer.serialize_struct("DottedVersionVector", 2)?;
        fields.serialize_field("vector", &self.context())?;
        fields.serialize_field("siblings", &siblings)?;
        fields.end()
    }
}

#[derive(Deserialize)]
#[serde(rename = "DottedVersionVector")]
struct UncheckedSiblings<T> {
    vector: VersionVector,
    siblings: Vec<Sibling<T>>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for DottedVersionVector<T> {
    /// Takes the siblings in any order.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UncheckedSiblings { vector, siblings } = UncheckedSiblings::deserialize(deserializer)?;
        let siblings = siblings.into_iter().map(|Sibling { dot, value }| (dot, value)).collect();
        Self::from_parts(vector, siblings).ok_or_else(|| {
            D::Error::custom("the siblings of a replica are not its newest events, each once")
        })
    }
}

/// Two numbers instead of one of 64 bits: a browser would round the last digits of that.
#[derive(Serialize, Deserialize)]
#[serde(rename = "HybridTimestamp")]
struct StampParts {
    millis: u64,
    logical: u16,
}

impl Serialize for HybridTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StampParts { millis: self.millis(), logical: self.logical() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HybridTimestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = StampParts::deserialize(deserializer)?;
        Self::from_parts(parts.millis, parts.logical).map_err(D::Error::custom)
    }
}
