//! The rows: a piece of work each, the same for everybody, and how well it should be done.

use std::fmt;

/// How edits come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edits {
    /// Each by itself, with what a peer needs to take it in.
    One,
    /// All in one.
    All,
}

/// What is done, with its sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Compares two vectors of so many replicas.
    VectorCompare { replicas: u64 },
    /// Merges an equal roster with other counters.
    VectorMerge { replicas: u64 },
    /// An own increment in a vector.
    VectorIncrement { replicas: u64 },
    /// Adds to an own count, where so many replicas have counted.
    CounterAdd { replicas: u64 },
    /// Merges two counters of the same replicas, one of which knows more of half of them.
    CounterMerge { replicas: u64 },
    /// Adds to a set of so many.
    SetAdd { elements: u64, edits: Edits },
    /// Looks for elements, in an order that no cache can guess.
    SetContains { elements: u64 },
    /// Takes in, as the peer's replicas would, 10 elements that another copy has more.
    SetCatchUp { elements: u64 },
    /// Merges the whole state of a copy that has 10 more.
    SetMergeCopy { elements: u64 },
    /// Merges two sets that share half of their elements, by two writers.
    SetMergeHalf { elements: u64 },
    /// Writes a set as bytes.
    SetEncode { elements: u64 },
    /// Reads it back.
    SetDecode { elements: u64 },
    /// What a set takes in memory, per element, and at most while it is filled.
    SetMemory { elements: u64, edits: Edits },
    /// Puts new keys into a map.
    MapPut { keys: u64, edits: Edits },
    /// Overwrites keys of a map.
    MapOverwrite { keys: u64, edits: Edits },
    /// Reads keys of a map.
    MapGet { keys: u64 },
    /// Merges two copies of a map that have both overwritten everything.
    MapMerge { keys: u64 },
    /// Inserts into a list, at places at random.
    ListInsert { items: u64 },
    /// Two that remember nothing of each other exchange what one of them has more of a map.
    Sync { keys: u64, differ: u64 },
    /// A store of so many objects of 100 bytes on the disk.
    Store { objects: u64, work: Stored },
}

/// What is done with a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stored {
    /// Overwrites objects, so many in each durable transaction.
    Put { each: u64 },
    /// So many at once overwrite one object after the other, each durable before the next.
    Writers { writers: u64 },
    /// Reads objects.
    Get,
    /// Opens it and reads one object, after it was closed or its process killed.
    Open { killed: bool },
}

/// What is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds for one operation.
    Nanos,
    /// Bytes that were written, or sent both ways.
    Bytes,
    /// Messages both ways.
    Messages,
    /// Bytes of memory per element.
    BytesEach,
    /// The most memory while it was done, as a multiple of what was left.
    PeakOfLive,
}

/// How well it should be done: the median at most so many times that of somebody else in the same
/// run, or a number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Target {
    /// Of the peer of this name.
    Of(&'static str, f64),
    /// Of the best peer.
    OfBest(f64),
    /// Of the plain collection that does the same without being a CRDT.
    OfLimit(f64),
    /// A number, in the unit of the row.
    Number(f64),
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Row {
    pub work: Work,
    pub unit: Unit,
    /// All have to be met.
    pub targets: &'static [Target],
}

const fn row(work: Work, unit: Unit, targets: &'static [Target]) -> Row {
    Row { work, unit, targets }
}

/// The rows of values in memory.
pub(crate) fn values(quick: bool) -> Vec<Row> {
    use Target::{Number, Of, OfBest, OfLimit};
    use Unit::{Bytes, BytesEach, Nanos, PeakOfLive};
    use Work::*;
    let elements = if quick { 100_000 } else { 1_000_000 };
    let keys = if quick { 10_000 } else { 100_000 };
    let mut rows = Vec::new();
    let few: [&'static [Target]; 3] = [&[OfLimit(1.5)], &[OfLimit(1.5)], &[OfLimit(1.7)]];
    let many: [&'static [Target]; 3] = [&[OfLimit(0.5)], &[OfLimit(1.2)], &[OfLimit(1.3)]];
    for (replicas, [compare, merge, increment]) in [(3, few), (1024, many)] {
        rows.push(row(VectorCompare { replicas }, Nanos, compare));
        rows.push(row(VectorMerge { replicas }, Nanos, merge));
        rows.push(row(VectorIncrement { replicas }, Nanos, increment));
    }
    for replicas in [3, 1024] {
        rows.push(row(CounterAdd { replicas }, Nanos, &[Number(60.0)]));
    }
    rows.push(row(CounterMerge { replicas: 1024 }, Nanos, &[OfBest(0.5)]));
    let one = Edits::One;
    let all = Edits::All;
    rows.push(row(SetAdd { elements, edits: one }, Nanos, &[Of("crdts", 0.25), OfLimit(3.0)]));
    rows.push(row(SetAdd { elements, edits: all }, Nanos, &[Of("crdts", 0.25), OfLimit(3.0)]));
    rows.push(row(SetContains { elements }, Nanos, &[OfLimit(1.0)]));
    rows.push(row(SetCatchUp { elements }, Nanos, &[Number(10_000.0)]));
    rows.push(row(SetMergeCopy { elements }, Nanos, &[OfBest(0.5)]));
    rows.push(row(SetMergeHalf { elements }, Nanos, &[OfBest(0.5)]));
    rows.push(row(SetEncode { elements }, Nanos, &[Of("crdts", 0.5)]));
    rows.push(row(SetDecode { elements }, Nanos, &[Of("crdts", 0.5)]));
    rows.push(row(SetEncode { elements: 100_000 }, Bytes, &[Number(900_000.0)]));
    rows.push(row(SetMemory { elements, edits: one }, BytesEach, &[Number(40.0)]));
    rows.push(row(SetMemory { elements, edits: all }, PeakOfLive, &[Number(1.6)]));
    rows.push(row(MapPut { keys, edits: one }, Nanos, &[Of("yrs", 0.3)]));
    rows.push(row(MapPut { keys, edits: all }, Nanos, &[Of("yrs", 0.3)]));
    rows.push(row(MapOverwrite { keys, edits: one }, Nanos, &[Of("yrs", 0.3)]));
    rows.push(row(MapOverwrite { keys, edits: all }, Nanos, &[Of("yrs", 0.3)]));
    rows.push(row(MapGet { keys }, Nanos, &[OfLimit(1.7)]));
    rows.push(row(MapMerge { keys }, Nanos, &[OfBest(0.5)]));
    rows.push(row(ListInsert { items: keys }, Nanos, &[OfBest(1.3)]));
    rows
}

/// The rows of sync.
pub(crate) fn sync(quick: bool) -> Vec<Row> {
    use Target::Number;
    let keys = if quick { 10_000 } else { 100_000 };
    let of = |differ, targets: [&'static [Target]; 3]| {
        let units = [Unit::Bytes, Unit::Messages, Unit::Nanos];
        units.into_iter().zip(targets).map(move |(unit, targets)| Row {
            work: Work::Sync { keys, differ },
            unit,
            targets,
        })
    };
    let few = of(10, [&[Number(300.0)], &[Number(3.0)], &[Number(60_000.0)]]);
    let many = of(1_000, [&[Number(20_000.0)], &[Number(3.0)], &[Number(1_500_000.0)]]);
    few.chain(many).collect()
}

/// The rows of stores on the disk.
pub(crate) fn store(quick: bool) -> Vec<Row> {
    use Target::{Number, Of, OfLimit};
    use Unit::Nanos;
    let objects = if quick { 10_000 } else { 100_000 };
    let of = |work, targets| row(Work::Store { objects, work }, Nanos, targets);
    vec![
        of(Stored::Put { each: 1 }, &[Of("redb", 1.3)]),
        of(Stored::Put { each: 1_000 }, &[Number(4_000.0)]),
        of(Stored::Writers { writers: 64 }, &[OfLimit(0.1)]),
        of(Stored::Get, &[Number(2_000.0)]),
        of(Stored::Open { killed: false }, &[Number(5_000_000.0)]),
        of(Stored::Open { killed: true }, &[Number(25_000_000.0)]),
    ]
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = |edits: &Edits| match edits {
            Edits::One => "one per edit",
            Edits::All => "all in one edit",
        };
        match self {
            Self::VectorCompare { replicas } => write!(f, "vector of {replicas}: compare"),
            Self::VectorMerge { replicas } => write!(f, "vector of {replicas}: merge"),
            Self::VectorIncrement { replicas } => write!(f, "vector of {replicas}: increment"),
            Self::CounterAdd { replicas } => write!(f, "counter of {replicas}: own increment"),
            Self::CounterMerge { replicas } => write!(f, "counter of {replicas}: merge"),
            Self::SetAdd { elements, edits: how } => {
                write!(f, "set of {elements}: add, {}", edits(how))
            }
            Self::SetContains { elements } => write!(f, "set of {elements}: contains"),
            Self::SetCatchUp { elements } => write!(f, "set of {elements}: take in 10 more"),
            Self::SetMergeCopy { elements } => {
                write!(f, "set of {elements}: merge a copy, 10 more")
            }
            Self::SetMergeHalf { elements } => write!(f, "set of {elements}: merge, half shared"),
            Self::SetEncode { elements } => write!(f, "set of {elements}: encode"),
            Self::SetDecode { elements } => write!(f, "set of {elements}: decode"),
            Self::SetMemory { elements, edits: how } => {
                write!(f, "set of {elements}: memory, {}", edits(how))
            }
            Self::MapPut { keys, edits: how } => write!(f, "map of {keys}: put, {}", edits(how)),
            Self::MapOverwrite { keys, edits: how } => {
                write!(f, "map of {keys}: overwrite, {}", edits(how))
            }
            Self::MapGet { keys } => write!(f, "map of {keys}: get"),
            Self::MapMerge { keys } => write!(f, "map of {keys}: merge, all overwritten on both"),
            Self::ListInsert { items } => write!(f, "list of {items}: insert at random"),
            Self::Sync { keys, differ } => write!(f, "sync of {keys}: {differ} differ"),
            Self::Store { objects, work } => write!(f, "store of {objects}: {work}"),
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { each } => write!(f, "update, {each} per durable transaction"),
            Self::Writers { writers } => write!(f, "durable update, {writers} at once"),
            Self::Get => f.write_str("get"),
            Self::Open { killed: false } => f.write_str("open after a close"),
            Self::Open { killed: true } => f.write_str("open after a kill"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nanos => "ns",
            Self::Bytes => "bytes",
            Self::Messages => "messages",
            Self::BytesEach => "bytes each",
            Self::PeakOfLive => "x what stays, at most",
        })
    }
}
