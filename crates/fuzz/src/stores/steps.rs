//! The steps of a run over stores, as plain data that follow from a seed alone.

use crate::dice::Dice;
use crate::values::deeds::Leaf;

/// What somebody does to an object.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Field(usize, Leaf),
    Remove(usize),
}

/// One step. Numbers that pick something count round.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A transaction; under a key, if it is to run once.
    Edit {
        who: usize,
        space: usize,
        deeds: Vec<Deed>,
        gives_up: bool,
        key: Option<usize>,
    },
    Sync {
        who: usize,
        with: usize,
        space: usize,
    },
    /// A guest in memory takes a space, changes it, and undoes that; nobody hears of it.
    Undo {
        who: usize,
        space: usize,
        deeds: Vec<Deed>,
    },
    /// Closes in order, and opens again.
    Reopen {
        who: usize,
    },
    /// Goes on with the file as it was in the midst of work.
    Kill {
        who: usize,
    },
    /// Keeps a copy of the file.
    Keep {
        who: usize,
    },
    /// Puts the copy that was kept in the place of the file.
    RollBack {
        who: usize,
    },
    /// A copy of the file becomes a device of its own.
    Clone {
        who: usize,
    },
    Backup {
        who: usize,
    },
    Restore {
        who: usize,
    },
    Verify {
        who: usize,
    },
    Clock {
        who: usize,
        by: i64,
    },
}

pub(crate) fn roll(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed ^ 0x5708_e5ee);
    (0..15 + dice.below(45)).map(|_| step(&mut dice)).collect()
}

fn step(dice: &mut Dice) -> Step {
    let (who, with, space) = (dice.below(5), dice.below(5), dice.below(2));
    match dice.below(100) {
        0..50 => {
            let deeds = (0..=dice.below(4)).map(|_| deed(dice)).collect();
            let key = dice.percent(25).then(|| dice.below(4));
            Step::Edit { who, space, deeds, gives_up: dice.percent(8), key }
        }
        50..75 => Step::Sync { who, with, space },
        75..79 => Step::Reopen { who },
        79..83 => Step::Kill { who },
        83..86 => Step::Keep { who },
        86..89 => Step::RollBack { who },
        89..91 => Step::Clone { who },
        91..93 => Step::Backup { who },
        93..95 => Step::Restore { who },
        95 => Step::Verify { who },
        96..98 => {
            let deeds = (0..=dice.below(4)).map(|_| deed(dice)).collect();
            Step::Undo { who, space, deeds }
        }
        _ => {
            let by = i64::try_from(dice.below(20_000_000)).expect("it is small");
            Step::Clock { who, by: by - 10_000_000 }
        }
    }
}

fn deed(dice: &mut Dice) -> Deed {
    let object = dice.below(3);
    if dice.percent(10) { Deed::Remove(object) } else { Deed::Field(object, Leaf::roll(dice)) }
}
