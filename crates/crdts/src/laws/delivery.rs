//! A network in miniature: every step is checked, and in the end all copies agree.

use std::format;
use std::vec::Vec;

use super::algebra::{covers, join, reader, same};
use super::bytes::round_trip;
use super::counterexample::{Broken, Held};
use super::subject::DeltaCrdt;
use super::world::{Event, Step, World, name, outside};

/// Plays a script, checking every step, then delivers everything to every copy.
pub(super) fn play<C: DeltaCrdt>(world: &mut World<'_, C>, script: &[Event]) -> Held {
    for event in script {
        checked(world, event)?;
    }
    world.heal();
    settle(world)
}

/// Takes one step; its answer must be true, and it may not forget anything.
fn checked<C: DeltaCrdt>(world: &mut World<'_, C>, event: &Event) -> Held {
    let Some(at) = world.target(&event.step) else {
        world.perform(event);
        return Ok(());
    };
    let before = reader(&world.copies[at]);
    let told = world.perform(event);
    let after = reader(&world.copies[at]);
    let changed = before.save() != after.save();
    let wrong = |claim: &str| {
        let claim = format!("in the last step, at {}: {claim}", name(at));
        Err(Broken::new(claim).operand("before it", &before).operand("after it", &after))
    };
    if told.is_some_and(|told| told != changed) {
        return wrong(if changed {
            "the state changed, and the answer is false"
        } else {
            "nothing changed, and the answer is true"
        });
    }
    if changed && matches!(event.step, Step::Fork { .. } | Step::Load { .. }) {
        return wrong("the state of the new copy is another");
    }
    if !covers(&after, &before) {
        return wrong("something is gone that was there before");
    }
    if before.is_covered_by(&after) == Some(false) {
        return wrong("`is_covered_by` says that something is gone");
    }
    round_trip(&after)
}

/// Sends every delta again, in the order in which they were made, until all copies have heard of
/// all: now they are in one state, and merging them brings nothing new.
fn settle<C: DeltaCrdt>(world: &mut World<'_, C>) -> Held {
    let mut witness = C::new(outside(3));
    for made in &world.made {
        witness.apply(&made.delta);
        world.copies.iter_mut().for_each(|copy| _ = copy.apply(&made.delta));
    }
    let expected = reader(&witness);
    let copies: Vec<C> = world.copies.iter().map(reader).collect();
    if let Some(at) = copies.iter().position(|copy| !same(copy, &expected)) {
        let broken = Broken::new(format!(
            "in the end every copy has heard of every edit, and {} is not what a new copy is that \
             hears of them in the order in which they were made",
            name(at),
        ));
        let broken = broken.compare("a new copy", &expected);
        return Err(broken.compare(&format!("{}", name(at)), &copies[at]));
    }
    for (at, copy) in copies.iter().enumerate() {
        let joined = join(copy, &expected);
        if !same(&joined, &expected) {
            let claim = "in the end all copies are equal, and merging two of them changes one";
            let broken = Broken::new(claim).compare(&format!("{}", name(at)), copy);
            return Err(broken.compare("merged with an equal one", &joined));
        }
    }
    Ok(())
}
