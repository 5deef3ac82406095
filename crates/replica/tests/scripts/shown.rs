//! What a script prints: short names for ids, and lines for what the library returns.

use std::fmt::Display;

use rejoin_crdts::ReplicaId;
use rejoin_replica::entry::Entry;
use rejoin_replica::ops::Checked;
use rejoin_replica::{Change, Event, Fork, Receipt, SyncProgress};
use rejoin_vclock::VersionVector;
use rejoin_vclock::codec::{Decode, Reader};

/// The ids of a script, in the order in which they appeared.
#[derive(Default)]
pub(crate) struct Names(Vec<ReplicaId>);

impl Names {
    /// Gives an id a name, if it has none.
    pub(crate) fn add(&mut self, id: ReplicaId) {
        if !self.0.contains(&id) {
            self.0.push(id);
        }
    }

    pub(crate) fn id(&self, name: &str) -> Result<ReplicaId, String> {
        let number = name.strip_prefix('r').and_then(|number| number.parse::<usize>().ok());
        let index = number.and_then(|number| number.checked_sub(1));
        let id = index.and_then(|index| self.0.get(index));
        id.copied().ok_or_else(|| format!("no id is called {name}"))
    }

    /// Puts names in the place of ids, in whichever way they are written.
    pub(crate) fn shorten(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (index, id) in self.0.iter().enumerate() {
            let name = format!("r{}", index + 1);
            let in_debug = format!("{id:?}");
            let in_dots = in_debug.trim_start_matches("r:");
            for written in [&id.to_string(), &in_debug, in_dots] {
                line = line.replace(written, &name);
            }
        }
        line
    }

    /// Shows a vector in the order of the names.
    pub(crate) fn vector(&self, vector: &VersionVector) -> Result<String, String> {
        let known = self.0.iter().map(|&id| (id, vector.get(id))).filter(|&(_, last)| last > 0);
        let known: Vec<String> = known.map(|(id, last)| format!("{id}: {last}")).collect();
        if known.len() < vector.len() {
            return Err("the vector has an id without a name".to_owned());
        }
        Ok(format!("{{{}}}", known.join(", ")))
    }
}

/// Shows a range of dots.
pub(crate) fn dots(origin: ReplicaId, first: u64, last: u64) -> String {
    if first == last { format!("{origin}:{first}") } else { format!("{origin}:{first}-{last}") }
}

pub(crate) fn receipt(receipt: &Receipt) -> String {
    let state = match (receipt.is_withdrawn(), receipt.is_durable()) {
        (true, _) => "withdrawn",
        (false, true) => "durable",
        (false, false) => "not durable yet",
    };
    if receipt.is_empty() {
        return format!("nothing to write, {state}");
    }
    format!("{}, {state}", dots(receipt.origin(), receipt.first(), receipt.last()))
}

pub(crate) fn change(change: &Change) -> String {
    let edits = change.edits().map(|edit| format!("{} {}", edit.path, edit.action));
    let edits: Vec<String> = edits.collect();
    let withdrawn = if change.is_withdrawn { "withdrawn: " } else { "" };
    format!("{withdrawn}{} at {}", dots(change.origin, change.first, change.last), edits.join(", "))
}

/// Shows a fork without its heads, which are hashes of random ids.
pub(crate) fn fork(&Fork { origin, counter, common, .. }: &Fork) -> String {
    format!("{origin} has two histories: the same up to {common}, and not the same at {counter}")
}

/// Shows a report as it prints itself.
pub(crate) fn report(event: &Event) -> String {
    match event {
        Event::Fork(told) => format!("fork: {}", fork(told)),
        Event::Damage { what, .. } => format!("damage: {what}"),
        Event::Skew(told) => format!("skew: {}", without(&told.stamp, told.ahead_by, told)),
        Event::OwnSkew(told) => format!("own skew: {}", without(&told.stamp, told.ahead_by, told)),
        Event::Reincarnated(told) => format!("{told:?}"),
        other => format!("{other:?}"),
    }
}

/// Shows a report without its stamp, and with whole seconds: stamps have a random offset.
fn without(stamp: &impl Display, ahead_by: u64, report: &impl Display) -> String {
    let seconds = format!("{} s ahead", (ahead_by + 500) / 1_000);
    let report = report.to_string().replace(&stamp.to_string(), "<stamp>");
    report.replace(&format!("{ahead_by} ms ahead"), &seconds)
}

/// Shows an exported branch, whose format is documented at `Space::export_branch`.
pub(crate) fn branch(bytes: &[u8]) -> Result<Vec<String>, String> {
    let wrong = |error: rejoin_vclock::codec::DecodeError| error.to_string();
    let mut reader = Reader::new(bytes);
    reader.bytes(2 + 4 + 16).map_err(wrong)?;
    let origin = ReplicaId::decode(&mut reader).map_err(wrong)?;
    let (common, count) = (reader.varint().map_err(wrong)?, reader.varint().map_err(wrong)?);
    let mut lines = vec![format!("entries of {origin} after {common}: {count}")];
    for _ in 0..count {
        let entry = Entry::parse(reader.length_prefixed().map_err(wrong)?).map_err(wrong)?;
        lines.push(dots(entry.delta().origin(), entry.delta().first(), entry.delta().last()));
    }
    Ok(lines)
}

pub(crate) fn progress(progress: &SyncProgress) -> String {
    let heard = if progress.has_heard { "a peer was heard" } else { "nobody was heard yet" };
    let caught_up = if progress.is_caught_up() { "caught up" } else { "not caught up" };
    format!("{heard}, {} of {} are here: {caught_up}", progress.received, progress.known)
}

pub(crate) fn checked(space: &Checked) -> String {
    match space.quarantined {
        0 => format!("{} is sound", space.name),
        records => format!("{} is sound; quarantined records: {records}", space.name),
    }
}
