//! The laws of a policy, to run on policies of your own (feature `laws`).
//!
//! Replicas that have the same siblings show the same answer, however they came by them. A policy
//! that breaks one of these laws works in the demo, and then two devices show different prices for
//! ever. This kit looks for a history on which a law is broken, shrinks it, and prints it.
//!
//! ```
//! use proptest::prelude::*;
//! use rejoin_crdts::RawAtom;
//! use rejoin_resolve::laws::{self, Law};
//! use rejoin_resolve::{Customs, Policy};
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! let mut customs = Customs::default();
//! customs.register("longest", 1, |siblings| {
//!     siblings.iter().map(|it| it.value.clone()).max_by_key(|value| value.as_bytes().len())
//! });
//! let values = || prop::sample::select(vec!["a", "bb", "cc"]).prop_map(RawAtom::of_str);
//! laws::check_all(&Policy::custom("longest", 1), &customs, values());
//!
//! // It remembers what it was asked before.
//! let asked = AtomicUsize::new(0);
//! customs.register("in turns", 1, move |siblings| {
//!     let next = asked.fetch_add(1, Ordering::Relaxed);
//!     siblings.get(next % siblings.len()).map(|it| it.value.clone())
//! });
//! let found = laws::check(&Policy::custom("in turns", 1), &customs, values());
//! assert_eq!(found.expect_err("it is no function of the siblings").law, Law::Order);
//! ```
//!
//! # Its limits
//! It does not show that the answer is the one that you want.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::format;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use rejoin_crdts::{Delta, FreshId, RawAtom, Replica, ReplicaId};

use crate::custom::{Context, Customs, MissingPolicy};
use crate::policy::{Policy, Resolution};
use crate::sibling::Sibling;
use crate::siblings::Siblings;

/// The number of replicas of a history.
const REPLICAS: usize = 3;

/// A law that every policy has to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Law {
    /// The answer is a function of the set of siblings: neither the order in which they are given
    /// nor the time matters.
    Order,
    /// A sibling that comes twice is one.
    Redelivery,
    /// Where something was written there is an answer, or several; each write is in one or is set
    /// aside, and an answer has come from some write.
    Total,
    /// Replicas that have heard the same, in different orders and groups, have the same answer.
    Everywhere,
    /// The one answer stays the answer when somebody writes it down, and also when two do so that
    /// do not know of each other.
    Settled,
}

/// A history on which a policy breaks a law.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Counterexample {
    /// The law.
    pub law: Law,
    /// The siblings, in ascending order of their dots.
    pub siblings: Vec<Sibling>,
    /// The answer to them.
    pub answer: Resolution,
    /// The answer that there is, and should not be, and where.
    pub other: (&'static str, Resolution),
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |resolution: &Resolution| {
            let values: Vec<String> =
                resolution.values.iter().map(|answer| format!("{}", answer.value)).collect();
            format!("{} ({} set aside)", values.join(", "), resolution.set_aside.len())
        };
        writeln!(f, "the policy breaks the law {:?}; siblings:", self.law)?;
        for Sibling { value, dot, stamp, replaced, .. } in &self.siblings {
            writeln!(f, "  {value} by {dot} at {stamp}, over {} others", replaced.len())?;
        }
        writeln!(f, "the answer: {}", shown(&self.answer))?;
        write!(f, "{}: {}", self.other.0, shown(&self.other.1))
    }
}

/// Something that happens in a history.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, RawAtom),
    Merge(usize, usize),
}

/// Holds a policy to every law, on random histories of three replicas that write some values.
///
/// Keep the values few: of two that are alike much more is found.
///
/// # Panics
/// With the counter-example when a law is broken; when a function is not registered.
pub fn check_all(
    policy: &Policy,
    customs: &Customs,
    values: impl Strategy<Value = RawAtom> + 'static,
) {
    if let Err(found) = check(policy, customs, values) {
        panic!("{found}");
    }
}

/// As [`check_all`], with the counter-example as a value.
///
/// # Errors
/// The shortest history that was found.
///
/// # Panics
/// When a function is not registered.
pub fn check(
    policy: &Policy,
    customs: &Customs,
    values: impl Strategy<Value = RawAtom> + 'static,
) -> Result<(), Box<Counterexample>> {
    let replica = || 0..REPLICAS;
    let step = prop_oneof![
        3 => (replica(), values).prop_map(|(who, value)| Step::Write(who, value)),
        1 => (replica(), replica()).prop_map(|(to, from)| Step::Merge(to, from)),
    ];
    let history = prop::collection::vec(step, 1..=8);
    let judge = |steps: &[Step]| match judge(policy, &Context::with(customs), steps) {
        Ok(held) => held,
        Err(missing) => panic!("{missing}"),
    };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let held = runner.run(&history, |steps| match judge(&steps) {
        Ok(()) => Ok(()),
        Err(found) => Err(TestCaseError::fail(format!("{found}"))),
    });
    match held {
        Ok(()) => Ok(()),
        // A policy that decides otherwise every time may hold now.
        Err(TestError::Fail(reason, steps)) => {
            (0..1_000).try_for_each(|_| judge(&steps))?;
            panic!("{reason}")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

type Copy = Replica<Siblings<RawAtom>>;

fn copy(number: usize) -> Copy {
    Replica::new(FreshId::assume_fresh(ReplicaId::from_u128(number as u128 + 1)))
}

fn siblings(copy: &Copy) -> Vec<Sibling> {
    copy.read(|reader| reader.all()).unwrap_or_else(|error| panic!("{error}"))
}

fn write(copy: &mut Copy, value: &RawAtom) -> Delta {
    let written = copy.edit(|editor| editor.set(value.clone()));
    written.unwrap_or_else(|error| panic!("{error}"))
}

/// Two replicas that have heard everything, in different orders and groups.
fn played(steps: &[Step]) -> [Copy; 2] {
    let mut copies: Vec<Copy> = (0..REPLICAS).map(copy).collect();
    let mut deltas = Vec::new();
    for step in steps {
        match step {
            Step::Write(who, value) => {
                deltas.extend(copies.get_mut(*who).map(|copy| write(copy, value)));
            }
            Step::Merge(to, from) if to != from => {
                let mut taken = core::mem::replace(&mut copies[*to], copy(99));
                taken.merge(&copies[*from]);
                copies[*to] = taken;
            }
            Step::Merge(..) => {}
        }
    }
    let [mut one, mut two] = [100, 101].map(copy);
    deltas.iter().for_each(|delta| _ = one.apply(delta));
    copies.iter().rev().for_each(|copy| _ = two.merge(copy));
    [one, two]
}

fn judge(
    policy: &Policy,
    context: &Context<'_>,
    steps: &[Step],
) -> Result<Result<(), Box<Counterexample>>, MissingPolicy> {
    let [mut one, mut two] = played(steps);
    let live = siblings(&one);
    let answer = policy.resolve(&live, context)?;
    let broken = |law, place, other: Resolution| {
        let (siblings, answer) = (live.clone(), answer.clone());
        Ok(Err(Box::new(Counterexample { law, siblings, answer, other: (place, other) })))
    };
    let mut given = live.clone();
    for _ in 0..live.len() {
        given.rotate_left(1);
        let other = policy.resolve(&given, context)?;
        if other != answer {
            return broken(Law::Order, "given in another order", other);
        }
    }
    given.reverse();
    given.extend(live.iter().cloned());
    let other = policy.resolve(&given, context)?;
    if other != answer {
        return broken(Law::Redelivery, "given twice", other);
    }
    let mut told: Vec<_> = answer.values.iter().flat_map(|it| it.from.iter().copied()).collect();
    told.extend(&answer.set_aside);
    told.sort_unstable();
    let all: Vec<_> = live.iter().map(|sibling| sibling.dot).collect();
    let is_from_some = answer.values.iter().all(|it| !it.from.is_empty());
    if told != all || answer.values.is_empty() != all.is_empty() || !is_from_some {
        return broken(Law::Total, "which does not account for all", answer.clone());
    }
    let other = policy.resolve(&siblings(&two), context)?;
    if other != answer {
        return broken(Law::Everywhere, "on a replica that heard of them otherwise", other);
    }
    let Some(value) = answer.value() else { return Ok(Ok(())) };
    write(&mut one, value);
    let alone = policy.resolve(&siblings(&one), context)?;
    write(&mut two, value);
    one.merge(&two);
    let both = policy.resolve(&siblings(&one), context)?;
    for (place, other) in [("written down", alone), ("written down by two at once", both)] {
        if other.value() != Some(value) {
            return broken(Law::Settled, place, other);
        }
    }
    Ok(Ok(()))
}
