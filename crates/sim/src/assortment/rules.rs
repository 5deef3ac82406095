//! Policies that users set for patterns of places, and what they make of siblings, by a naive model
//! from the documentation.

use std::collections::BTreeSet;

use rejoin_crdts::RawAtom;
use rejoin_resolve::{CustomName, Customs, PathPattern, Policy, Sibling};
use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use super::content::Content;
use super::objects::{Family, ObjectPath, POLICIES, Shown, Value};
use crate::rng::Rng;

/// The patterns for which policies are set, the most specific ones first: of those that fit a place
/// the first counts.
pub(super) const PATTERNS: [&str; 8] =
    ["object-16", "object-17", "object-18/item-1", "object-18/*", "*/item-1", "*/*", "*", "**"];

/// The name of the application's own functions.
const MIDDLE: &str = "middle";

/// A policy as a user asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// The numbers of the sites whose values come first, if any do.
    first: Vec<usize>,
    policy: Policy,
}

impl Rule {
    pub(super) fn some(rng: &mut Rng) -> Self {
        let first = if rng.percent(10) { vec![rng.index(5), rng.index(5)] } else { Vec::new() };
        let policy = match rng.below(12) {
            0 => Policy::KeepAll,
            1 => Policy::LastWriterWins,
            2 => Policy::FirstWriterWins,
            3 => Policy::Max,
            4 => Policy::Min,
            5 => Policy::Union,
            6 => Policy::Sum,
            7 => Policy::ThreeWay,
            8 => Policy::VersionVector,
            9 | 10 => custom(rng),
            _ => {
                let made = [Policy::Max, Policy::Union, Policy::Sum, Policy::ThreeWay, custom(rng)];
                let last = [Policy::LastWriterWins, Policy::FirstWriterWins, Policy::Min];
                Policy::Chain(vec![rng.pick(&made).clone(), rng.pick(&last).clone()])
            }
        };
        Self { first, policy }
    }

    pub(super) fn policy(&self, replicas: &[ReplicaId]) -> Policy {
        let first = self.first.iter().map(|site| replicas[site % replicas.len()]);
        match Policy::Priority(first.collect()) {
            Policy::Priority(ids) if ids.is_empty() => self.policy.clone(),
            priority => Policy::Chain(vec![priority, self.policy.clone()]),
        }
    }
}

fn custom(rng: &mut Rng) -> Policy {
    Policy::custom(MIDDLE, 1 + u32::from(rng.percent(50)) + u32::from(rng.percent(20)))
}

/// Returns the pattern at a place among the policies; `None` elsewhere.
pub(super) fn pattern(place: &ObjectPath) -> Option<PathPattern> {
    let is_policy = place.family() == Family::Policies;
    let number = usize::from(place.number_below().filter(|_| is_policy)?);
    PATTERNS.get(number).and_then(|text| text.parse().ok())
}

/// Returns the place of a pattern among the policies.
pub(super) fn place_of(pattern: &str) -> Option<ObjectPath> {
    let numbers = (0..).zip(PATTERNS).find(|&(_, text)| text == pattern);
    numbers.map(|(number, _)| ObjectPath::object(POLICIES).below(number))
}

/// Returns the policy that counts at a place.
pub(super) fn policy_at<'a>(place: &ObjectPath, shown: &'a Shown) -> &'a Policy {
    let names: Vec<String> = [place.key()].into_iter().chain(place.names()).collect();
    let mut fitting = PATTERNS.into_iter().filter(|pattern| fits(pattern, &names));
    let set = fitting.find_map(|pattern| match shown.get(&place_of(pattern)?) {
        Some(Value::Policy(policy)) => Some(policy),
        _ => None,
    });
    set.unwrap_or(&Policy::KeepAll)
}

fn fits(pattern: &str, names: &[String]) -> bool {
    let parts: Vec<&str> = pattern.split('/').collect();
    let is_long_enough = parts.len() == names.len() || parts.ends_with(&["**"]);
    let mut pairs = parts.iter().zip(names);
    is_long_enough && pairs.all(|(part, name)| part.starts_with('*') || part == name)
}

/// Returns true if a site has the application's function of a name: no site has all of them, and
/// the third is everywhere yet to come.
pub(super) fn knows(site: usize, custom: &CustomName) -> bool {
    match custom.version {
        1 => site.is_multiple_of(2),
        2 => !site.is_multiple_of(3),
        _ => false,
    }
}

/// Registers the functions that a site has.
pub(super) fn register(site: usize, customs: &mut Customs) {
    let values = |all: &[Sibling]| all.iter().map(|it| it.value.clone()).collect::<Vec<RawAtom>>();
    for version in [1, 2] {
        if knows(site, &CustomName { name: MIDDLE.to_owned(), version }) {
            customs.register(MIDDLE, version, move |all| middle(version, values(all)));
        }
    }
}

/// The value in the middle. The second version cannot decide where there are two.
fn middle<T: Ord>(version: u32, mut values: Vec<T>) -> Option<T> {
    if version == 2 && values.len().is_multiple_of(2) {
        return None;
    }
    values.sort_unstable();
    let middle = values.len() / 2;
    values.into_iter().nth(middle)
}

/// A value that may stand, and the times and authors of those who wrote it. Those who have replaced
/// the same writes by the same value have settled a conflict alike, and count once.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    content: Content,
    replaced: Vec<Dot>,
    by: Vec<(HybridTimestamp, ReplicaId)>,
}

/// The reason why the model has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The site lacks this function.
    Lacks(CustomName),
    /// The model does not know the policy.
    NotModelled,
}

/// Returns the values that a policy makes of siblings at a site.
pub(super) fn answer(
    policy: &Policy,
    siblings: &[Sibling],
    site: usize,
) -> Result<BTreeSet<Option<Content>>, NoAnswer> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for Sibling { value, dot, stamp, replaced, .. } in siblings {
        let Some(content) = Content::of(value) else { return Err(NoAnswer::NotModelled) };
        let by = vec![(*stamp, dot.replica())];
        let alike = |it: &&mut Candidate| {
            !replaced.is_empty() && it.replaced == *replaced && it.content == content
        };
        match candidates.iter_mut().find(alike) {
            Some(same) => same.by.extend(by),
            None => candidates.push(Candidate { content, replaced: replaced.clone(), by }),
        }
    }
    let left = narrow(policy, candidates, site)?;
    Ok(left.into_iter().map(|it| Some(it.content)).collect())
}

fn narrow(policy: &Policy, all: Vec<Candidate>, site: usize) -> Result<Vec<Candidate>, NoAnswer> {
    if all.len() < 2 {
        return Ok(all);
    }
    let contents = || all.iter().map(|it| it.content.clone());
    let stands = match policy {
        // Nobody whose write is live has seen another one.
        Policy::KeepAll | Policy::VersionVector => None,
        Policy::LastWriterWins => all.iter().max_by_key(|it| it.by.iter().max()).map(content),
        Policy::FirstWriterWins => all.iter().min_by_key(|it| it.by.iter().min()).map(content),
        Policy::Max => contents().max(),
        Policy::Min => contents().min(),
        Policy::Union => contents()
            .map(names)
            .collect::<Option<Vec<_>>>()
            .map(|all| Content::Names(all.into_iter().flatten().collect())),
        Policy::Sum => contents().map(|it| number(&it)).sum::<Option<i64>>().map(Content::Number),
        Policy::Custom(name) if knows(site, name) => middle(name.version, contents().collect()),
        Policy::Custom(name) => return Err(NoAnswer::Lacks(name.clone())),
        Policy::Chain(policies) => {
            return policies.iter().try_fold(all, |left, policy| narrow(policy, left, site));
        }
        _ => return Err(NoAnswer::NotModelled),
    };
    Ok(match stands {
        Some(stands) => that_is(stands, all),
        None => all,
    })
}

/// Returns the candidates with a content; if there are none, it was made of all.
fn that_is(stands: Content, all: Vec<Candidate>) -> Vec<Candidate> {
    let (these, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.content == stands);
    if !these.is_empty() {
        return these;
    }
    let by = others.into_iter().flat_map(|it| it.by).collect();
    vec![Candidate { content: stands, replaced: Vec::new(), by }]
}

fn content(candidate: &Candidate) -> Content {
    candidate.content.clone()
}

fn names(content: Content) -> Option<BTreeSet<String>> {
    if let Content::Names(names) = content { Some(names) } else { None }
}

fn number(content: &Content) -> Option<i64> {
    if let Content::Number(number) = content { Some(*number) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_pattern_that_is_set_counts() {
        let price = ObjectPath::object(18).below(1);
        let mut shown = Shown::new();
        let order = [
            ("**", Policy::Sum),
            ("*/*", Policy::Max),
            ("*/item-1", Policy::Min),
            ("object-18/*", Policy::Union),
            ("object-18/item-1", Policy::ThreeWay),
        ];
        assert_eq!(*policy_at(&price, &shown), Policy::KeepAll);
        for (pattern, policy) in order {
            let place = place_of(pattern).expect("one of the patterns");
            shown.insert(place, Value::Policy(policy.clone()));
            assert_eq!(*policy_at(&price, &shown), policy, "{pattern}");
        }
        let draft = ObjectPath::object(16);
        assert_eq!(*policy_at(&draft, &shown), Policy::Sum, "`*/*` is for what is below");
    }
}
