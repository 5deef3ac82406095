//! The policies of a space: replicated data, at a place that users do not see among their objects.
//!
//! For each pattern of paths there is a register with a policy's bytes; of policies that were set
//! concurrently the last one stands, as in every register. So replicas that have the same entries
//! have the same policies, and show the same answers.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::{Cursor, Source, Stage, View};
use rejoin_crdts::{EditError, Kind, LwwRegister, OrMap, Path, ReadError};
use rejoin_vclock::codec::{Decode, DecodeError, Encode};

use crate::custom::{Context, Customs};
use crate::incarnations;
use crate::pattern::PathPattern;
use crate::policy::{Policy, Resolution};
use crate::sibling::Sibling;
use crate::siblings::ResolveError;

/// Policies by the text of their patterns, as bytes.
type Stored = OrMap<String, LwwRegister<Vec<u8>>>;

fn place() -> Path {
    Path::root(Kind::Map).field("policies", Kind::Map)
}

/// A policy of a space.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SpacePolicy {
    /// The places that it is for, as text: it may be a pattern of a later version.
    pub pattern: String,
    /// The policy; [`DecodeError`] where a later version of this program, or a broken one, wrote
    /// it.
    pub policy: Result<Policy, DecodeError>,
}

/// Sets the policy of the places that a pattern fits.
///
/// # Errors
/// [`EditError`] when the place cannot be written.
pub fn set(stage: &mut dyn Stage, pattern: &PathPattern, policy: &Policy) -> Result<(), EditError> {
    let mut stored = Stored::editor(Cursor::new(stage, place()));
    stored.entry(pattern.to_string().as_str()).set(policy.to_bytes())
}

/// Takes away the policy of a pattern.
///
/// # Errors
/// As [`set`].
pub fn remove(stage: &mut dyn Stage, pattern: &str) -> Result<(), EditError> {
    Stored::editor(Cursor::new(stage, place())).remove(pattern)
}

/// All policies of a space, in the order of their patterns' texts.
///
/// # Errors
/// [`ReadError`] when the space cannot be read.
pub fn all(source: &dyn Source) -> Result<Vec<SpacePolicy>, ReadError> {
    let stored = Stored::reader(View::new(source, place()));
    let mut all = Vec::new();
    for pattern in stored.keys()? {
        let bytes = stored.at(pattern.as_str()).get()?.unwrap_or_default();
        all.push(SpacePolicy { policy: Policy::from_bytes(&bytes), pattern });
    }
    Ok(all)
}

/// The policy of a place: that of the most specific pattern that fits. Where none does, every value
/// stays. `path` is that of the place in its space.
///
/// # Errors
/// [`ResolveError::Malformed`] for bytes that are no policy; as [`all`].
pub fn of(source: &dyn Source, path: &Path) -> Result<Policy, ResolveError> {
    let stored = Stored::reader(View::new(source, place()));
    let mut best: Option<(String, PathPattern)> = None;
    for text in stored.keys()? {
        // What is no pattern here is for no place.
        let Ok(pattern) = text.parse::<PathPattern>() else { continue };
        let is_better = |(_, best): &(_, PathPattern)| {
            !rejoin_vclock::mutant!("first-pattern-counts") && pattern.is_more_specific_than(best)
        };
        if pattern.fits(path) && best.as_ref().is_none_or(is_better) {
            best = Some((text, pattern));
        }
    }
    let Some((pattern, _)) = best else { return Ok(Policy::KeepAll) };
    let bytes = stored.at(pattern.as_str()).get()?.unwrap_or_default();
    Policy::from_bytes(&bytes).map_err(|error| ResolveError::Malformed { pattern, error })
}

/// Brings the siblings of a place together by the policy of their space.
pub(crate) fn resolve(
    source: &dyn Source,
    path: &Path,
    siblings: &[Sibling],
) -> Result<Resolution, ResolveError> {
    // A plain replica has no policies: everything in it stands below the root.
    let policy = match path.object_key() {
        Some(_) => of(source, path)?,
        None => Policy::KeepAll,
    };
    by(source, &policy, siblings)
}

/// Brings siblings together by a policy that need not be their space's.
///
/// # Errors
/// [`ResolveError`] when the space cannot be read, or the policy is not known here.
pub fn by(
    source: &dyn Source,
    policy: &Policy,
    siblings: &[Sibling],
) -> Result<Resolution, ResolveError> {
    let mut predecessors = BTreeMap::new();
    if policy.ranks_replicas() {
        let of_last = incarnations::all(source)?.into_iter();
        predecessors.extend(of_last.map(|(id, last)| (id, last.replica())));
    }
    let customs = source.local().and_then(|local| local.downcast_ref::<Customs>());
    let context = Context { customs, predecessors: Some(&predecessors) };
    Ok(policy.resolve(siblings, &context)?)
}
