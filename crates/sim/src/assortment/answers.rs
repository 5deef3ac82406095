//! Replicas that hold the same entries show the same policies, the same siblings and the same
//! answers, and each answers by the policy of the space or names the function that it lacks.
//!
//! Who has which function is known here from what was registered. So a replica that lacks one is
//! told apart from one that has it, and neither may be silent: the one must answer, and the other
//! must not.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_resolve::{CustomName, Policy, Resolution, ResolveError, Sibling};
use rejoin_vclock::codec::Encode;
use rejoin_vclock::{ReplicaId, VersionVector};

use super::Wishes;
use super::content::{Content, with_siblings};
use super::objects::{ObjectPath, Shown, Value};
use super::rules::{NoAnswer, answer, knows, policy_at};
use crate::application::Snapshot;
use crate::violation::{Broken, Checked};

/// What was shown under every set of entries that was looked at so far.
#[derive(Clone, Default, Debug)]
pub(super) struct Answers(BTreeMap<Vec<u8>, Seen>);

#[derive(Clone, Debug)]
struct Seen {
    vector: VersionVector,
    by: ReplicaId,
    policies: BTreeMap<ObjectPath, Policy>,
    siblings: BTreeMap<ObjectPath, Vec<Sibling>>,
    answers: BTreeMap<ObjectPath, Answered>,
}

/// An answer, or the function that is lacking for it, and the number of the site.
#[derive(Clone, Debug)]
struct Answered {
    site: usize,
    is: Result<Resolution, CustomName>,
}

fn broken(what: String) -> Broken {
    Broken::new("answers", what)
}

impl Answers {
    /// Compares what a replica answers with the policies that it shows, and with what others
    /// answered that held the same entries.
    pub(super) fn check(&mut self, snapshot: &Snapshot<'_, Wishes>, shown: &Shown) -> Checked {
        let here = Seen::of(snapshot, shown)?;
        for (place, answered) in &here.answers {
            let siblings = here.siblings.get(place).map_or(&[][..], Vec::as_slice);
            judge(policy_at(place, shown), siblings, answered).map_err(|what| {
                broken(format!("{:?} at {place}: {what}; there is {siblings:?}", here.by))
            })?;
        }
        let Some(seen) = self.0.get_mut(&here.vector.to_bytes()) else {
            self.0.insert(here.vector.to_bytes(), here);
            return Ok(());
        };
        seen.compare(here)
    }

    /// Forgets what was shown with entries of an origin beyond a counter: they never happened.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.0.retain(|_, seen| seen.vector.get(origin) <= after);
    }
}

/// Checks an answer against the naive model of its policy.
fn judge(policy: &Policy, siblings: &[Sibling], answered: &Answered) -> Result<(), String> {
    let values = |resolution: &Resolution| -> BTreeSet<Option<Content>> {
        resolution.values.iter().map(|answer| Content::of(&answer.value)).collect()
    };
    match (answer(policy, siblings, answered.site), &answered.is) {
        (Ok(due), Ok(resolution)) if values(resolution) == due => Ok(()),
        (Err(NoAnswer::Lacks(due)), Err(named)) if due == *named => Ok(()),
        (Err(NoAnswer::NotModelled), Ok(_)) => Ok(()),
        (Err(NoAnswer::NotModelled), Err(named))
            if asks(policy, named) && !knows(answered.site, named) =>
        {
            Ok(())
        }
        (due, is) => Err(format!("by {policy} the answer is {due:?}; it is {is:?}")),
    }
}

/// Returns true if a policy may ask for a function.
fn asks(policy: &Policy, custom: &CustomName) -> bool {
    match policy {
        Policy::Custom(name) => name == custom,
        Policy::Chain(policies) => policies.iter().any(|policy| asks(policy, custom)),
        _ => false,
    }
}

impl Seen {
    fn of(snapshot: &Snapshot<'_, Wishes>, shown: &Shown) -> Result<Self, Broken> {
        let mut here = Self {
            vector: snapshot.version_vector().clone(),
            by: snapshot.replica(),
            policies: BTreeMap::new(),
            siblings: BTreeMap::new(),
            answers: BTreeMap::new(),
        };
        for (place, value) in shown {
            match value {
                Value::Policy(policy) => {
                    here.policies.insert(place.clone(), policy.clone());
                }
                Value::Siblings(_) => {
                    let (all, resolved) =
                        with_siblings(snapshot, place, |it| (it.all(), it.resolved()));
                    let is = match resolved {
                        Ok(resolution) => Ok(resolution),
                        Err(ResolveError::Missing(missing)) => Err(missing.custom),
                        Err(error) => return Err(broken(format!("{place}: {error}"))),
                    };
                    let all = all.map_err(|error| broken(format!("{place}: {error}")))?;
                    here.siblings.insert(place.clone(), all);
                    let answered = Answered { site: snapshot.site(), is };
                    here.answers.insert(place.clone(), answered);
                }
                _ => {}
            }
        }
        Ok(here)
    }

    /// Compares all that a replica shows with what another one showed that held the same entries.
    fn compare(&mut self, here: Self) -> Checked {
        let (this, other, vector) = (here.by, self.by, &self.vector);
        let differ = |what: &str, are: String| {
            let all = format!("{this:?} and {other:?} hold the same entries, {vector:?}");
            Err(broken(format!("{all}, and show other {what}: {are}")))
        };
        if self.policies != here.policies {
            return differ("policies", format!("{:?}, {:?}", here.policies, self.policies));
        }
        if self.siblings != here.siblings {
            return differ("siblings", format!("{:?}, {:?}", here.siblings, self.siblings));
        }
        for (place, answered) in here.answers {
            let Some(before) = self.answers.get_mut(&place) else { continue };
            if !before.agrees_with(&answered) {
                return differ("answers", format!("at {place} {answered:?}, {before:?}"));
            }
            // Who has the function has more to be compared with.
            if before.is.is_err() {
                *before = answered;
            }
        }
        Ok(())
    }
}

impl Answered {
    fn agrees_with(&self, other: &Self) -> bool {
        match (&self.is, &other.is) {
            (Ok(_), Err(lacks)) => knows(self.site, lacks) && !knows(other.site, lacks),
            (Err(lacks), Ok(_)) => knows(other.site, lacks) && !knows(self.site, lacks),
            (this, other) => this == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_a_function_is_told_apart_from_who_has_it() {
        let custom = |version| CustomName { name: "middle".to_owned(), version };
        let answers = |site| Answered { site, is: Ok(Resolution::default()) };
        let lacks = |site, version| Answered { site, is: Err(custom(version)) };
        // Sites with even numbers have the first version.
        assert!(answers(0).agrees_with(&answers(2)));
        assert!(answers(0).agrees_with(&lacks(1, 1)) && lacks(3, 1).agrees_with(&answers(2)));
        assert!(!answers(0).agrees_with(&lacks(2, 1)), "it has the function");
        assert!(!answers(1).agrees_with(&lacks(3, 1)), "it answers without the function");
        assert!(lacks(1, 1).agrees_with(&lacks(3, 1)) && !lacks(1, 1).agrees_with(&lacks(3, 2)));
        let mut wrong = Resolution::default();
        wrong.set_aside.extend(rejoin_vclock::Dot::new(ReplicaId::from_u128(1), 1));
        assert!(!answers(0).agrees_with(&Answered { site: 2, is: Ok(wrong) }));
    }
}
