//! Sibling sets compared with a naive set of writes, and the schedules that plain vectors fail.

mod oracle;
mod schedules;
mod world;

use proptest::prelude::*;
use rejoin_vclock::{Causality, DottedVersionVector, codec::Encode};

use self::world::{Command, World, alphabet, commands};

pub(crate) type Siblings = DottedVersionVector<u64>;

fn merged(left: &Siblings, right: &Siblings) -> Siblings {
    let mut merged = left.clone();
    let changed = merged.merge(right);
    assert_eq!(merged.validate(), Ok(()), "{left:?} and {right:?}");
    assert_eq!(changed, merged != *left, "{left:?} and {right:?}");
    merged
}

fn check_merge_laws(a: &Siblings, b: &Siblings, c: &Siblings) {
    let operands = || format!("a = {a:?}, b = {b:?}, c = {c:?}");
    let ab = merged(a, b);
    assert_eq!(ab, merged(b, a), "commutative: {}", operands());
    assert_eq!(merged(&ab, c), merged(a, &merged(b, c)), "associative: {}", operands());
    assert_eq!(merged(&ab, &ab), ab, "idempotent: {}", operands());
    for part in [a, b] {
        let order = ab.compare(part);
        assert!(matches!(order, Causality::After | Causality::Equal), "inflation: {}", operands());
    }
    let covers = matches!(a.compare(b), Causality::After | Causality::Equal);
    assert_eq!(covers, ab == *a, "the order is the one of merge: {}", operands());
    assert_eq!(a.compare(b), b.compare(a).reverse(), "{}", operands());
    assert_eq!(a.to_bytes() == b.to_bytes(), a == b, "{}", operands());
}

/// Every history of up to this many commands, without those that do nothing.
fn every_history(
    world: &World,
    alphabet: &[Command],
    depth: usize,
    check: &mut impl FnMut(&World),
) {
    check(world);
    if depth == 0 {
        return;
    }
    for command in alphabet {
        let mut next = world.clone();
        if next.run(*command) {
            every_history(&next, alphabet, depth - 1, check);
        }
    }
}

#[test]
fn every_small_world_of_two_replicas_agrees_with_the_oracle() {
    let mut worlds = 0;
    let check = &mut |world: &World| {
        world.check();
        worlds += 1;
    };
    every_history(&World::new(2, 2), &alphabet(2, 2), 6, check);
    assert!(worlds > 100_000, "{worlds} worlds");
}

#[test]
fn every_small_world_of_three_replicas_agrees_with_the_oracle() {
    let mut worlds = 0;
    let check = &mut |world: &World| {
        world.check();
        let [a, b, c] = [0, 1, 2].map(|n| world.copy(n));
        check_merge_laws(a, b, c);
        worlds += 1;
    };
    every_history(&World::new(3, 2), &alphabet(3, 2), 5, check);
    assert!(worlds > 100_000, "{worlds} worlds");
}

proptest! {
    #[test]
    fn any_history_agrees_with_the_oracle(
        history in proptest::collection::vec(commands(3, 3), 0..60),
    ) {
        let mut world = World::new(3, 3);
        for command in history {
            world.run(command);
            world.check();
        }
        let [a, b, c] = [0, 1, 2].map(|n| world.copy(n));
        check_merge_laws(a, b, c);
        let orders = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]];
        let ends = orders.map(|[x, y, z]| merged(&merged(x, y), z).to_bytes());
        prop_assert!(ends.windows(2).all(|two| two[0] == two[1]), "equal events, equal bytes");
    }
}
