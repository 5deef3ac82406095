//! One decision of a merge, as the conflict log has it.
//!
//! ```text
//! conflict  envelope 'K' · time (ms) · path: length, bytes · rule · sides that stand
//!           · sides that do not · by: dot · stamp · 0, or 1 and the policy: length, bytes
//!           · 0, or 1 and the value that it makes: length, bytes
//! sides     n, then n x (dot · action)
//! action    0 value: length, bytes (wrote) · 1 amount (counted) · 2 added · 3 removed · 4 moved
//!           · 5 on · 6 off · 7 (wrote; the value is in the log only) · 8 amount (corrected)
//! settled   envelope 'V' · dot · action
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;

use rejoin_crdts::{Action, Atom, ConflictRecord, Dot, Path, RawAtom, Rule, Side};
use rejoin_resolve::{Policy, Resolution};
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{HybridTimestamp, ReplicaId, VersionVector};

use crate::format::envelope;

const VERSION: u8 = 1;
const WHAT: &str = "version of a conflict";
/// Maximum length of a value that stands in the conflict log, in bytes: a longer one is read from
/// the log.
const MAX_VALUE_BYTES: usize = 4096;
/// Maximum number of versions that stand, and of those that do not; more are left out.
const MAX_SIDES: usize = 1024;

/// A decision that was made when a change of somebody else was applied here.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Conflict {
    /// Its place in this store's conflict log of the space: another number in every store. Two
    /// people who speak of one conflict mean its place, and the dots of its versions.
    pub number: u64,
    /// When it was found, in milliseconds since 1970 by this store's clock.
    pub at: u64,
    /// The place.
    pub path: Path,
    /// The rule of the place's type.
    pub rule: Rule,
    /// The policy of the space for the place when it was found, if there are siblings.
    pub policy: Option<Policy>,
    /// The versions that stand.
    pub kept: Vec<Version>,
    /// The versions that do not.
    pub overridden: Vec<Version>,
    /// The one value that the policy makes of all, if it is none of theirs.
    pub merged: Option<RawAtom>,
    /// The last dot of the transaction that caused it.
    pub by: Dot,
    /// The time of that transaction, by its origin's hybrid clock.
    pub stamp: HybridTimestamp,
    /// The change that settled it: the first one whose author had seen every version.
    pub settled: Option<Version>,
}

/// One of the versions that competed, or the change that settled the matter.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Version {
    /// The event. Its replica is the author.
    pub dot: Dot,
    /// The value written, the amount counted, or what else was done.
    pub action: Action,
    /// What the log says of its transaction; `None` where the log has it no more.
    pub origin: Option<Origin>,
    /// True if the value is too long for the conflict log, and the log has not been asked for it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub(crate) is_elsewhere: bool,
}

/// What the log says of the transaction that a version comes from.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Origin {
    /// Its time, by its author's hybrid clock.
    pub stamp: HybridTimestamp,
    /// Who made it, as people call them, if [it says](crate::Transaction::author).
    pub author: Option<String>,
    /// What it is about, if [it says](crate::Transaction::describe).
    pub message: Option<String>,
    /// Of other replicas, what its author had seen since its transaction before that one, or
    /// earlier: each one's last counter.
    pub deps: VersionVector,
}

/// How concurrent versions are brought together, in the words of other stores.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Strategy {
    /// By the time of writing: the last writer wins, or the first one.
    Lww,
    /// What was seen gives way, and what is concurrent stays.
    VersionVector,
    /// By a function of the application's own.
    Application,
    /// By a rule that makes one value or state of all.
    Merge,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lww => "LWW",
            Self::VersionVector => "version_vector",
            Self::Application => "application",
            Self::Merge => "merge",
        })
    }
}

impl Conflict {
    /// The strategy by which it was decided.
    pub fn strategy(&self) -> Strategy {
        match (&self.policy, self.rule) {
            (Some(policy), _) => strategy_of(policy),
            (None, Rule::LastWriterWins) => Strategy::Lww,
            (None, Rule::EveryValueStays) => Strategy::VersionVector,
            _ => Strategy::Merge,
        }
    }

    /// All versions that competed, those that stand first.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.kept.iter().chain(&self.overridden)
    }

    /// True if nobody who has seen all versions has changed the place since.
    pub const fn is_open(&self) -> bool {
        self.settled.is_none()
    }

    /// True if a replica made one of the versions.
    pub fn is_with(&self, peer: ReplicaId) -> bool {
        self.versions().any(|version| version.dot.replica() == peer)
    }

    /// True if it is the same record: of one log, whatever was decided about it since.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let told = |it: &Self| (it.number, it.at, it.rule, it.by, it.stamp);
        told(self) == told(other) && self.path == other.path
    }

    /// A decision as it was just made.
    pub(crate) fn of(record: &ConflictRecord, number: u64, at: u64) -> Self {
        let versions = |sides: &[Side]| {
            let version = |side: &Side| Version::of(side.dot, side.action.clone());
            sides.iter().take(MAX_SIDES).map(version).collect()
        };
        Self {
            number,
            at,
            path: record.path.clone(),
            rule: record.rule,
            policy: None,
            kept: versions(&record.kept),
            overridden: versions(&record.overridden),
            merged: None,
            by: record.by,
            stamp: record.stamp,
            settled: None,
        }
    }

    /// Notes how the policy of the space answers.
    pub(crate) fn answer(&mut self, policy: Policy, resolution: &Resolution) {
        self.policy = Some(policy);
        let wrote = |value: &RawAtom| Action::Wrote(value.clone());
        let is_theirs =
            |value: &RawAtom| self.kept.iter().any(|version| version.action == wrote(value));
        self.merged = resolution.value().filter(|value| !is_theirs(value)).cloned();
        let is_over = |version: &Version| resolution.set_aside.contains(&version.dot);
        let (over, kept) = std::mem::take(&mut self.kept).into_iter().partition(is_over);
        (self.kept, self.overridden) = (kept, over);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(192);
        write_varint(&mut body, self.at);
        write_length_prefixed(&mut body, self.path.as_bytes());
        body.push(rule_tag(self.rule));
        for versions in [&self.kept, &self.overridden] {
            write_varint(&mut body, versions.len() as u64);
            for version in versions {
                version.dot.encode(&mut body);
                write_action(&mut body, &version.action);
            }
        }
        self.by.encode(&mut body);
        self.stamp.encode(&mut body);
        let policy = self.policy.as_ref().map(Policy::to_bytes);
        let merged = self.merged.as_ref().map(RawAtom::as_bytes);
        for field in [policy.as_deref(), merged] {
            body.push(u8::from(field.is_some()));
            field.into_iter().for_each(|field| write_length_prefixed(&mut body, field));
        }
        envelope::seal(b'K', VERSION, &body)
    }

    /// # Errors
    /// Damage, or a version that this program does not know.
    pub(crate) fn decode(number: u64, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'K', VERSION, WHAT, bytes)?);
        let at = reader.varint()?;
        let path = Path::parse(reader.length_prefixed()?.to_vec())?;
        let rule = rule(reader.byte()?)?;
        let [kept, overridden] = [versions(&mut reader)?, versions(&mut reader)?];
        let by = Dot::decode(&mut reader)?;
        let stamp = HybridTimestamp::decode(&mut reader)?;
        let policy = field(&mut reader)?.map(Policy::from_bytes).transpose()?;
        let merged = field(&mut reader)?.map(atom).transpose()?;
        reader.finish()?;
        let settled = None;
        Ok(Self { number, at, path, rule, policy, kept, overridden, merged, by, stamp, settled })
    }
}

impl Version {
    const fn of(dot: Dot, action: Action) -> Self {
        Self { dot, action, origin: None, is_elsewhere: false }
    }

    /// The bytes of a change that settled a conflict.
    pub(crate) fn encode(dot: Dot, action: &Action) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        dot.encode(&mut body);
        write_action(&mut body, action);
        envelope::seal(b'V', VERSION, &body)
    }

    /// # Errors
    /// Damage, or a version that this program does not know.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'V', VERSION, WHAT, bytes)?);
        let version = Self::read(&mut reader)?;
        reader.finish().map(|()| version)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let dot = Dot::decode(reader)?;
        let (action, is_elsewhere) = read_action(reader)?;
        Ok(Self { dot, action, origin: None, is_elsewhere })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_elsewhere {
            true => f.write_str("a long value")?,
            false => self.action.fmt(f)?,
        }
        match self.origin.as_ref().and_then(|origin| origin.author.as_ref()) {
            Some(author) => write!(f, " by {author}"),
            None => write!(f, " by {}", self.dot),
        }
    }
}

/// Stands for a value that is in the log only.
fn elsewhere() -> Action {
    Action::Wrote(RawAtom::of_str(""))
}

fn versions(reader: &mut Reader<'_>) -> Result<Vec<Version>, DecodeError> {
    let mut versions = Vec::new();
    for _ in 0..reader.count(18)? {
        versions.push(Version::read(reader)?);
    }
    Ok(versions)
}

fn field<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    match reader.byte()? {
        0 => Ok(None),
        1 => reader.length_prefixed().map(Some),
        tag => Err(DecodeError::UnknownTag { what: "field of a conflict", tag }),
    }
}

fn atom(bytes: &[u8]) -> Result<RawAtom, DecodeError> {
    let mut reader = Reader::new(bytes);
    let atom = RawAtom::read(&mut reader)?;
    reader.finish().map(|()| atom)
}

const RULES: [Rule; 12] = [
    Rule::LastWriterWins,
    Rule::EveryValueStays,
    Rule::GreatestWins,
    Rule::LeastWins,
    Rule::AddWins,
    Rule::RemoveWins,
    Rule::EveryChangeCounts,
    Rule::ResetSparesUnseen,
    Rule::RemovedIsGone,
    Rule::EditKeeps,
    Rule::HighestMoveWins,
    Rule::NoCycles,
];

/// The number of a rule in stored bytes.
pub(crate) fn rule_tag(rule: Rule) -> u8 {
    let number = RULES.iter().position(|known| *known == rule);
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}

fn rule(tag: u8) -> Result<Rule, DecodeError> {
    let unknown = DecodeError::UnknownTag { what: "rule", tag };
    RULES.get(usize::from(tag)).copied().ok_or(unknown)
}

fn strategy_of(policy: &Policy) -> Strategy {
    match policy {
        Policy::KeepAll | Policy::VersionVector => Strategy::VersionVector,
        Policy::LastWriterWins | Policy::FirstWriterWins => Strategy::Lww,
        Policy::Custom(_) => Strategy::Application,
        Policy::Chain(policies) => {
            let first = policies.iter().map(strategy_of);
            first.fold(Strategy::VersionVector, |chosen, next| match chosen {
                Strategy::VersionVector => next,
                chosen => chosen,
            })
        }
        _ => Strategy::Merge,
    }
}

fn write_action(out: &mut Vec<u8>, action: &Action) {
    match action {
        Action::Wrote(value) if value.as_bytes().len() > MAX_VALUE_BYTES => out.push(7),
        Action::Wrote(value) => {
            out.push(0);
            write_length_prefixed(out, value.as_bytes());
        }
        Action::Counted(amount) | Action::Corrected(amount) => {
            out.push(if matches!(action, Action::Counted(_)) { 1 } else { 8 });
            out.extend(amount.to_be_bytes());
        }
        other => {
            let tag = SIMPLE.iter().position(|known| known == other);
            out.push(tag.and_then(|tag| u8::try_from(tag + 2).ok()).unwrap_or(u8::MAX));
        }
    }
}

/// The actions without a value, from the tag 2 on.
const SIMPLE: [Action; 5] =
    [Action::Added, Action::Removed, Action::Moved, Action::SwitchedOn, Action::SwitchedOff];

/// Returns an action, and if its value is in the log only.
fn read_action(reader: &mut Reader<'_>) -> Result<(Action, bool), DecodeError> {
    let tag = reader.byte()?;
    let simple = || SIMPLE.get(usize::from(tag.checked_sub(2)?)).cloned();
    Ok(match tag {
        0 => (Action::Wrote(atom(reader.length_prefixed()?)?), false),
        1 => (Action::Counted(i64::from_be_bytes(reader.array()?)), false),
        8 => (Action::Corrected(i64::from_be_bytes(reader.array()?)), false),
        7 => (elsewhere(), true),
        tag => {
            let unknown = DecodeError::UnknownTag { what: "action", tag };
            (simple().ok_or(unknown)?, false)
        }
    })
}

impl fmt::Display for Conflict {
    /// For people: `tent/price: the last writer wins; kept 300 by Mira; overridden 280 by Ben`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.policy {
            Some(policy) => policy.fmt(f)?,
            None => self.rule.fmt(f)?,
        }
        for (what, versions) in [("kept", &self.kept), ("overridden", &self.overridden)] {
            for (index, version) in versions.iter().enumerate() {
                match index {
                    0 => write!(f, "; {what} ")?,
                    _ => f.write_str(", ")?,
                }
                version.fmt(f)?;
            }
        }
        if let Some(merged) = &self.merged {
            write!(f, "; together {merged}")?;
        }
        match &self.settled {
            None => Ok(()),
            Some(settled) => write!(f, "; settled: {settled}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    fn dot(id: u8, counter: u64) -> Dot {
        Dot::new(ReplicaId::from_bytes([id; 16]), counter).expect("a dot")
    }

    #[test]
    fn a_conflict_and_what_settled_it_are_as_documented() {
        let bytes = example("conflict");
        let conflict = Conflict::decode(7, &bytes).expect("a conflict");
        assert_eq!((conflict.encode(), conflict.at), (bytes, 1_700_000_000_000));
        let told = conflict.to_string();
        assert_eq!(
            told,
            "tent/price: the sum; kept 300 by 01010101:1, 250 by 02020202:1; together 550"
        );
        let bytes = example("conflict-settled");
        let settled = Version::decode(&bytes).expect("a change");
        assert_eq!((settled.dot, settled.to_string()), (dot(1, 2), "550 by 01010101:2".into()));
        assert_eq!(Version::encode(settled.dot, &settled.action), bytes);
    }

    #[test]
    fn every_rule_and_action_comes_back() {
        for rule in RULES {
            assert_eq!(super::rule(rule_tag(rule)), Ok(rule));
        }
        let long = Action::Wrote(RawAtom::of_str(&"a".repeat(MAX_VALUE_BYTES)));
        let written = Action::Wrote(RawAtom::of(&7_u64));
        let all = [written, Action::Counted(-7), Action::Corrected(7), long.clone()];
        for action in all.into_iter().chain(SIMPLE) {
            let read = Version::decode(&Version::encode(dot(1, 1), &action)).expect("a change");
            assert_eq!(read.is_elsewhere, action == long);
            assert!(read.is_elsewhere || read.action == action);
        }
    }
}
