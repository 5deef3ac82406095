//! Removes from a script all steps that a broken law does not need.
//!
//! The generator names messages by their place among those under way, so that any number means
//! something; but then removing a step changes the meaning of later steps. So a script is first
//! rewritten to name each message by the step that sent it, and then shrunk.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use super::runner::Case;
use super::subject::DeltaCrdt;
use super::world::{Event, Step, Story, World};

/// Returns a case that still `breaks`, and none of whose steps can be left out. `named` is the same
/// case [with names](by_names).
pub(super) fn shortest(
    copies: usize,
    case: Case,
    named: Case,
    breaks: &dyn Fn(&Case) -> bool,
) -> Case {
    let mut case = if breaks(&named) { named } else { case };
    while leaves_out(&mut case, breaks) || moves(copies, &mut case, breaks) {}
    simpler(case, breaks)
}

/// Leaves out single steps, then pairs: if two copies have each written twice, neither write can go
/// alone. True if any could be left out.
fn leaves_out(case: &mut Case, breaks: &dyn Fn(&Case) -> bool) -> bool {
    let before = case.script.len();
    let leave_out = |case: &mut Case, steps: &[usize]| {
        let mut shorter = case.clone();
        // From the back, so that the earlier numbers stay valid.
        steps.iter().for_each(|&at| _ = shorter.script.remove(at));
        let broken = breaks(&shorter);
        if broken {
            *case = shorter;
        }
        broken
    };
    for at in (0..before).rev() {
        leave_out(case, &[at]);
    }
    'pairs: loop {
        for later in (1..case.script.len()).rev() {
            for earlier in 0..later {
                if leave_out(case, &[later, earlier]) {
                    continue 'pairs;
                }
            }
        }
        return case.script.len() < before;
    }
}

/// Lets an edit be made by an earlier copy, or by any copy if that makes a step superfluous: the
/// message that brought it there. True if any could be moved.
fn moves(copies: usize, case: &mut Case, breaks: &dyn Fn(&Case) -> bool) -> bool {
    for number in 0..case.script.len() {
        let Step::Edit { at: before, .. } = case.script[number].step else { continue };
        for other in (0..copies).filter(|&other| other != before) {
            let mut moved = case.clone();
            if let Step::Edit { at, .. } = &mut moved.script[number].step {
                *at = other;
            }
            let others = (0..case.script.len()).filter(|&step| step != number);
            let shorter = others.map(|step| {
                let mut shorter = moved.clone();
                shorter.script.remove(step);
                shorter
            });
            let earlier = (other < before).then(|| moved.clone());
            if let Some(found) = shorter.chain(earlier).find(|case| breaks(case)) {
                *case = found;
                return true;
            }
        }
    }
    false
}

/// Returns the same script, each message named by its sender. A step that panics is the last.
pub(super) fn by_names<C: DeltaCrdt>(copies: usize, script: &[Event]) -> Vec<Event> {
    let named = RefCell::new(Vec::new());
    let story = Story::silent();
    let play = || {
        let mut world = World::<C>::new(copies, &story);
        for event in script {
            let Some(step) = world.by_name(&event.step) else { continue };
            named.borrow_mut().push(Event { tag: event.tag, step });
            world.perform(event);
        }
    };
    // The panic is reported when the shortest case is played for the story.
    let _ = catch_unwind(AssertUnwindSafe(play));
    named.into_inner()
}

/// Simplifies a case: once is easier to follow than twice, and whole links than cut ones.
fn simpler(mut case: Case, breaks: &dyn Fn(&Case) -> bool) -> Case {
    for at in 0..case.script.len() {
        let mut simpler = case.clone();
        if let Step::Arrive { again: again @ true, .. } = &mut simpler.script[at].step {
            *again = false;
            if breaks(&simpler) {
                case = simpler;
            }
        }
    }
    case
}
