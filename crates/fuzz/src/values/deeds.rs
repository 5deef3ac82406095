//! What people do to the value: each deed as plain data, to be made from dice and left out.

use crate::dice::Dice;

/// One thing that somebody does. Numbers that pick something count round.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// To the plain field, or below a key.
    Leaf(Option<usize>, Leaf),
    RemoveKey(usize),
    HideKey(usize),
    ClearKeys,
    Grant(u64),
    Spend(u64),
    Pass(u64, usize),
}

/// One thing that somebody does to a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf {
    Visit(u64),
    Add(i64),
    ResetSum,
    /// Writes the register of this number.
    Set(usize, u64),
    ClearRegister(usize),
    Enable,
    Disable,
    Permit,
    Forbid,
    Read(usize),
    Tag(usize),
    Untag(usize),
    ClearTags,
    Admit(usize),
    Expel(usize),
    ExpelAll,
    Issue(usize),
    Use(usize),
    Deep(usize, i64),
    RemoveDeep(usize),
    HideDeep(usize),
    ClearDeep,
    Insert(usize, Option<u64>),
    SetItem(usize, u64),
    MoveItem(usize, usize),
    RemoveItem(usize),
    HideItem(usize),
    ClearList,
    Create(usize),
    SetNode(usize, u64),
    MoveNode(usize, usize),
    RemoveNode(usize),
    HideNode(usize),
    ClearTree,
    DocSet(usize, u64),
    DocAdd(usize, i64),
    DocRemove(usize),
    DocHide(usize),
}

/// The number of registers that [`Leaf::Set`] chooses from.
pub(crate) const REGISTERS: usize = 5;

/// The number of kinds of deeds at a field.
const KINDS: usize = 38;

impl Deed {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..6 => Self::RemoveKey(dice.below(3)),
            6..12 => Self::HideKey(dice.below(3)),
            12 => Self::ClearKeys,
            13..17 => Self::Grant(dice.roll() % 10),
            17..21 => Self::Spend(dice.roll() % 6),
            21..25 => Self::Pass(dice.roll() % 4, dice.below(8)),
            _ => {
                let key = dice.percent(60).then(|| dice.below(3));
                Self::Leaf(key, Leaf::roll(dice))
            }
        }
    }
}

impl Leaf {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        let kind = dice.below(KINDS);
        let (which, other) = (dice.below(4), dice.below(8));
        let value = dice.roll() % 6;
        let amount = i64::try_from(dice.below(9)).expect("it is small") - 4;
        match kind {
            0 => Self::Visit(value),
            1 => Self::Add(amount),
            2 => Self::ResetSum,
            3 | 4 => Self::Set(dice.below(REGISTERS), value),
            5 => Self::ClearRegister(dice.below(REGISTERS)),
            6 => Self::Enable,
            7 => Self::Disable,
            8 => Self::Permit,
            9 => Self::Forbid,
            10 => Self::Read(which),
            11 => Self::Tag(which),
            12 => Self::Untag(which),
            13 if dice.percent(30) => Self::ClearTags,
            14 | 13 => Self::Admit(which),
            15 => Self::Expel(which),
            16 if dice.percent(30) => Self::ExpelAll,
            17 | 16 => Self::Issue(which),
            18 => Self::Use(which),
            19 => Self::Deep(which, amount),
            20 => Self::RemoveDeep(which),
            21 => Self::HideDeep(which),
            22 if dice.percent(30) => Self::ClearDeep,
            _ => Self::roll_ordered(dice, kind, which, other, value),
        }
    }

    fn roll_ordered(dice: &mut Dice, kind: usize, at: usize, to: usize, value: u64) -> Self {
        let at = at + 4 * dice.below(3);
        match kind {
            23 | 24 => Self::Insert(to, dice.percent(70).then_some(value)),
            25 => Self::SetItem(at, value),
            26 => Self::MoveItem(at, to),
            27 => Self::RemoveItem(at),
            28 => Self::HideItem(at),
            29 if dice.percent(20) => Self::ClearList,
            30 | 29 => Self::Create(to),
            31 => Self::SetNode(at, value),
            32 | 22 => Self::MoveNode(at, to),
            33 => Self::RemoveNode(at),
            34 => Self::HideNode(at),
            35 if dice.percent(20) => Self::ClearTree,
            36 => Self::DocSet(at, value),
            37 if dice.percent(30) => Self::DocRemove(at),
            37 if dice.percent(40) => Self::DocHide(at),
            _ => Self::DocAdd(at, 1),
        }
    }
}
