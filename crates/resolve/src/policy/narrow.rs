//! Resolving: every policy narrows candidates down, so that policies can follow each other.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_crdts::RawAtom;
use rejoin_crdts::path::Items;
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use crate::custom::{Context, MissingPolicy};
use crate::merge::three_way;
use crate::policy::{Answer, Policy, Resolution};
use crate::record::Record;
use crate::sibling::Sibling;

/// A value that may stand, and the writes that it was made of.
#[derive(Clone, Debug)]
struct Candidate {
    sibling: Sibling,
    from: Vec<Dot>,
    /// The first and the last of these writes.
    written: (Rank, Rank),
}

/// The order of writes in time.
type Rank = (HybridTimestamp, ReplicaId, u64);

type Candidates = Vec<Candidate>;

/// See [`Policy::resolve`].
pub(super) fn resolve(
    policy: &Policy,
    siblings: &[Sibling],
    context: &Context<'_>,
) -> Result<Resolution, MissingPolicy> {
    let left = narrow(policy, distinct(siblings), context)?;
    let mut values: Vec<Answer> = Vec::new();
    let mut left: Vec<_> = left.into_iter().map(|it| (it.sibling.value, it.from)).collect();
    left.sort_unstable();
    for (value, from) in left {
        match values.last_mut() {
            Some(last) if last.value == value => last.from.extend(from),
            _ => values.push(Answer { value, from }),
        }
    }
    values.iter_mut().for_each(|answer| answer.from.sort_unstable());
    let is_in = |dot: &Dot| values.iter().any(|answer| answer.from.contains(dot));
    let dots: BTreeSet<Dot> = siblings.iter().map(|sibling| sibling.dot).collect();
    let set_aside = dots.into_iter().filter(|dot| !is_in(dot)).collect();
    Ok(Resolution { values, set_aside })
}

/// The siblings in ascending order of their dots, each once; those that settle the same conflict by
/// the same value are one.
fn distinct(siblings: &[Sibling]) -> Candidates {
    let mut ordered: Vec<&Sibling> = siblings.iter().collect();
    if !rejoin_vclock::mutant!("policy-tie-by-arrival") {
        ordered.sort_by_key(|sibling| sibling.dot);
    }
    ordered.dedup_by_key(|sibling| sibling.dot);
    let mut candidates = Candidates::new();
    for sibling in ordered {
        let settles_as = |other: &&mut Candidate| {
            let Candidate { sibling: other, .. } = other;
            !sibling.replaced.is_empty()
                && other.replaced == sibling.replaced
                && other.value == sibling.value
        };
        match candidates.iter_mut().find(settles_as) {
            Some(same) if !rejoin_vclock::mutant!("settled-twice-counts-twice") => {
                same.from.push(sibling.dot);
                let (first, last) = same.written;
                let rank = rank(sibling);
                same.written = (first.min(rank), last.max(rank));
            }
            _ => candidates.push(Candidate::of(sibling.clone())),
        }
    }
    candidates
}

impl Candidate {
    fn of(sibling: Sibling) -> Self {
        let rank = rank(&sibling);
        Self { from: [sibling.dot].into(), sibling, written: (rank, rank) }
    }
}

fn rank(&Sibling { dot, stamp, .. }: &Sibling) -> Rank {
    if rejoin_vclock::mutant!("policy-tie-by-arrival") {
        return (stamp, ReplicaId::from_u128(0), 0);
    }
    (stamp, dot.replica(), dot.counter())
}

fn narrow(
    policy: &Policy,
    mut candidates: Candidates,
    context: &Context<'_>,
) -> Result<Candidates, MissingPolicy> {
    // One is the answer, and whatever a policy would make of it.
    if candidates.len() < 2 {
        return Ok(candidates);
    }
    Ok(match policy {
        Policy::KeepAll => candidates,
        Policy::LastWriterWins => {
            candidates.into_iter().max_by_key(|it| it.written.1).into_iter().collect()
        }
        Policy::FirstWriterWins => {
            candidates.into_iter().min_by_key(|it| it.written.0).into_iter().collect()
        }
        Policy::Max => best(candidates, |value| Reverse(value.clone())),
        Policy::Min => best(candidates, RawAtom::clone),
        Policy::Union => made(candidates, union),
        Policy::Sum => made(candidates, sum),
        Policy::PerField { fields, otherwise } => {
            let of = |name: &str| fields.get(name).unwrap_or(otherwise);
            match per_field(&candidates, of, context)? {
                Some(value) => one(&candidates, value),
                None => candidates,
            }
        }
        Policy::ThreeWay => made(candidates, merged),
        Policy::Priority(replicas) => by_priority(candidates, replicas, context),
        Policy::VersionVector => {
            let is_seen = |it: &Candidate| {
                candidates.iter().any(|other| other.sibling.has_seen(it.sibling.dot))
            };
            let dropped: Vec<bool> = candidates.iter().map(is_seen).collect();
            // Where each has seen another, nobody is last.
            if dropped.iter().all(|dropped| *dropped) {
                return Ok(candidates);
            }
            let mut dropped = dropped.into_iter();
            candidates.retain(|_| !dropped.next().unwrap_or(false));
            candidates
        }
        Policy::Chain(policies) => {
            for policy in policies {
                candidates = narrow(policy, candidates, context)?;
            }
            candidates
        }
        Policy::Custom(name) => {
            let missing = || MissingPolicy { custom: name.clone() };
            let decide = match context.customs.ok_or_else(missing).and_then(|it| it.get(name)) {
                Err(_) if rejoin_vclock::mutant!("last-writer-for-lack-of-a-function") => {
                    return narrow(&Policy::LastWriterWins, candidates, context);
                }
                decide => decide?,
            };
            let siblings: Vec<Sibling> = candidates.iter().map(|it| it.sibling.clone()).collect();
            match decide(&siblings) {
                Some(value) => chosen(candidates, value),
                None => candidates,
            }
        }
    })
}

/// Those with the least key of their values.
fn best<K: Ord>(mut candidates: Candidates, key: impl Fn(&RawAtom) -> K) -> Candidates {
    let least = candidates.iter().map(|it| key(&it.sibling.value)).min();
    candidates.retain(|it| Some(key(&it.sibling.value)) == least);
    candidates
}

/// The one value that is made of all; all of them if there is none.
fn made(candidates: Candidates, make: impl FnOnce(&[Candidate]) -> Option<RawAtom>) -> Candidates {
    match make(&candidates) {
        Some(value) => one(&candidates, value),
        None => candidates,
    }
}

/// A value that was made of all candidates. It stands for the last of them.
fn one(candidates: &[Candidate], value: RawAtom) -> Candidates {
    let last = candidates.iter().max_by_key(|it| it.written.1);
    let mut from: Vec<Dot> = candidates.iter().flat_map(|it| it.from.iter().copied()).collect();
    from.sort_unstable();
    let stands = |last: &Candidate| Sibling { value, ..last.sibling.clone() };
    let one = |last: &Candidate| Candidate { sibling: stands(last), from, written: last.written };
    last.map(one).into_iter().collect()
}

/// The candidates that have a value; if there are none, the value was made of all.
fn chosen(mut candidates: Candidates, value: RawAtom) -> Candidates {
    match candidates.iter().any(|it| it.sibling.value == value) {
        true => {
            candidates.retain(|it| it.sibling.value == value);
            candidates
        }
        false => one(&candidates, value),
    }
}

fn union(candidates: &[Candidate]) -> Option<RawAtom> {
    let mut all = BTreeSet::new();
    for Candidate { sibling, .. } in candidates {
        let is_record = sibling.value.to::<Record>().is_ok();
        let Items(elements) = sibling.value.to::<Items<RawAtom>>().ok().filter(|_| !is_record)?;
        all.extend(elements);
    }
    Some(RawAtom::of(&Items(all.into_iter().collect())))
}

fn sum(candidates: &[Candidate]) -> Option<RawAtom> {
    let integer = |value: &RawAtom| {
        let signed = value.to::<i64>().map(i128::from).ok();
        signed.or_else(|| value.to::<u64>().map(i128::from).ok())
    };
    let amounts = candidates.iter().map(|it| integer(&it.sibling.value));
    let total = amounts.sum::<Option<i128>>()?;
    let signed = i64::try_from(total).ok().map(|total| RawAtom::of(&total));
    signed.or_else(|| u64::try_from(total).ok().map(|total| RawAtom::of(&total)))
}

fn merged(candidates: &[Candidate]) -> Option<RawAtom> {
    let base = common_base(candidates);
    let (first, rest) = candidates.split_first()?;
    let mut merged = Some(first.sibling.value.clone());
    for it in rest {
        merged = three_way(base, merged.as_ref(), Some(&it.sibling.value)).ok()?;
    }
    merged
}

/// The value that all were made of: the base of one of them that the others' authors had seen, too.
fn common_base(candidates: &[Candidate]) -> Option<&RawAtom> {
    let bases = candidates.iter().filter_map(|it| it.sibling.base.as_ref());
    let any = rejoin_vclock::mutant!("any-base-is-common");
    let mut common =
        bases.filter(|(dot, _)| any || candidates.iter().all(|it| it.sibling.has_seen(*dot)));
    let first = common.next()?;
    // Of several, an earlier one would do as well; the choice has to be the same everywhere.
    let latest = common.fold(first, |best, other| if other.0 > best.0 { other } else { best });
    Some(&latest.1)
}

fn per_field<'p>(
    candidates: &[Candidate],
    policy_of: impl Fn(&str) -> &'p Policy,
    context: &Context<'_>,
) -> Result<Option<RawAtom>, MissingPolicy> {
    let records: Option<Vec<Record>> =
        candidates.iter().map(|it| it.sibling.value.to().ok()).collect();
    let Some(records) = records else { return Ok(None) };
    let names: BTreeSet<&String> = records.iter().flat_map(|record| record.0.keys()).collect();
    let mut answer = Record::default();
    for name in names {
        let of_field = candidates.iter().zip(&records).filter_map(|(candidate, record)| {
            let value = record.0.get(name)?.clone();
            Some(Candidate { sibling: field(&candidate.sibling, name, value), ..candidate.clone() })
        });
        let left = narrow(policy_of(name), of_field.collect(), context)?;
        let mut values = left.into_iter().map(|it| it.sibling.value);
        let Some(value) = values.next() else { continue };
        if values.any(|other| other != value) {
            return Ok(None);
        }
        answer.0.insert(name.clone(), value);
    }
    Ok(Some(RawAtom::of(&answer)))
}

/// A field of a sibling that is a record, as a sibling of its own.
fn field(sibling: &Sibling, name: &String, value: RawAtom) -> Sibling {
    let base = sibling.base.as_ref().and_then(|(dot, base)| {
        let Record(mut fields) = base.to().ok()?;
        fields.remove(name).map(|value| (*dot, value))
    });
    Sibling { value, base, replaced: sibling.replaced.clone(), ..*sibling }
}

fn by_priority(
    mut candidates: Candidates,
    replicas: &[ReplicaId],
    context: &Context<'_>,
) -> Candidates {
    let place = |it: &Candidate| {
        let places = it.from.iter().filter_map(|dot| place_of(dot.replica(), replicas, context));
        places.min()
    };
    match candidates.iter().filter_map(place).min() {
        Some(first) => {
            candidates.retain(|it| place(it) == Some(first));
            candidates
        }
        None => candidates,
    }
}

/// The first place of a replica, or of one whose place it has taken, in a list.
fn place_of(replica: ReplicaId, replicas: &[ReplicaId], context: &Context<'_>) -> Option<usize> {
    let mut seen = BTreeSet::new();
    let (mut next, mut best) = (Some(replica), None::<usize>);
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let place = replicas.iter().position(|named| *named == id);
        best = match (best, place) {
            (Some(best), Some(place)) => Some(best.min(place)),
            (best, place) => best.or(place),
        };
        next = context.predecessors.and_then(|before| before.get(&id).copied());
    }
    best
}
