//! The steps of a run, as plain data that follow from a seed alone.

use super::deeds::Deed;
use crate::dice::Dice;

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Commit,
    /// The closure returns an error after all that it wrote.
    GiveUp,
    /// The closure panics after all that it wrote.
    Panic,
}

/// One step. Numbers that pick something count round.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Edit {
        who: usize,
        deeds: Vec<Deed>,
        end: End,
    },
    /// Hands a delta in: one of the last that were made, or any.
    Deliver {
        to: usize,
        back: usize,
        as_bytes: bool,
    },
    /// Asks for what is missing, and takes the state where that is not remembered.
    CatchUp {
        to: usize,
        from: usize,
    },
    Merge {
        to: usize,
        from: usize,
    },
    Fork {
        from: usize,
    },
    /// A copy goes on under a new id, out of what it saved.
    Reload {
        who: usize,
    },
    Remember {
        who: usize,
        bytes: usize,
    },
    Clock {
        who: usize,
        wall: u64,
    },
}

/// When the runs take place, in milliseconds since 1970.
pub(crate) const BEGIN: u64 = 1_760_000_000_000;

pub(crate) fn roll(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let count = 20 + dice.below(100);
    // A long transaction now and then; most are short.
    (0..count).map(|_| step(&mut dice)).collect()
}

fn step(dice: &mut Dice) -> Step {
    let (who, other) = (dice.below(6), dice.below(6));
    match dice.below(100) {
        0..42 => {
            let many = if dice.percent(5) { 12 } else { 4 };
            let deeds = (0..=dice.below(many)).map(|_| Deed::roll(dice)).collect();
            let end = match dice.below(12) {
                0 => End::GiveUp,
                1 => End::Panic,
                _ => End::Commit,
            };
            Step::Edit { who, deeds, end }
        }
        42..75 => {
            let back = if dice.percent(70) { dice.below(6) } else { dice.below(1000) };
            Step::Deliver { to: who, back, as_bytes: dice.percent(50) }
        }
        75..83 => Step::CatchUp { to: who, from: other },
        83..90 => Step::Merge { to: who, from: other },
        90..93 => Step::Fork { from: who },
        93..95 => Step::Reload { who },
        95..97 => Step::Remember { who, bytes: [0, 300, 2000, 256 << 10][dice.below(4)] },
        _ => Step::Clock { who, wall: clock(dice) },
    }
}

/// Near, an hour off, or years.
fn clock(dice: &mut Dice) -> u64 {
    let far = [5_000, 3_600_000, 100_000_000_000][dice.below(3)];
    let by = dice.roll() % far;
    if dice.percent(50) { BEGIN + by } else { BEGIN - by.min(50_000_000_000) }
}
