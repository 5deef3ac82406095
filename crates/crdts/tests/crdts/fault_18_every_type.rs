//! Fault 18, for every type: states of small worlds with one byte changed are refused by name, or
//! they are values like any other.

use crate::fault_18_changed_bytes::changed;
use crate::hostile_bytes::try_as_state;
use crate::types::every_type;
use crate::world::{Alphabet, Saved, Step, Subject, World};

fn changed_states<S: Subject>(alphabet: &Alphabet) {
    let mut world = World::<S>::new(&[1, 2], alphabet, Saved::new());
    for choice in 0..2 * alphabet.len() {
        world.perform(Step::Edit { at: choice % 2, choice: choice / 2 });
    }
    world.perform(Step::Merge { from: 1, to: 0 });
    let bytes = world.sites[0].typed.save();
    let loaded = changed(&bytes, false).filter(|bytes| try_as_state::<S>(bytes)).count();
    assert!(loaded > 0, "a state with another stamp is a state");
}

every_type!(changed_states);
