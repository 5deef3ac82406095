//! The transactions of each type: the first few for small worlds, all of them for random search.

mod nested;

pub(crate) use self::nested::*;

use crate::world::What::{
    Admit, Bar, BarAll, Enter, Grant, Keep, Leave, Lower, Pass, Raise, Reclaim, Spend, Undo,
};
use crate::world::{Alphabet, act, add, count, end, write};

/// A name so long that taking it away by vector is shorter than naming its dots.
const LONG: &str = "a name so long that taking it away by vector is shorter than naming its dots";

pub(crate) fn or_set() -> Alphabet {
    vec![
        vec![add(&[LONG])],
        vec![end(&[LONG])],
        vec![end(&[])],
        vec![add(&["b"])],
        vec![end(&["b"])],
        vec![add(&["c"]), end(&["c"])],
        vec![end(&["b"]), add(&["b"])],
        vec![end(&[]), add(&[LONG]), add(&["b"]), add(&["b"])],
        vec![add(&["d"]), add(&["c"]), end(&[]), add(&["c"])],
    ]
}

pub(crate) fn lww_register() -> Alphabet {
    vec![
        vec![write(&[], "x")],
        vec![write(&[], "y")],
        vec![end(&[])],
        vec![write(&[], "z"), end(&[])],
        vec![end(&[]), write(&[], "z")],
        vec![write(&[], "x"), write(&[], "y")],
    ]
}

pub(crate) fn pn_counter() -> Alphabet {
    vec![
        vec![count(&[], 5)],
        vec![count(&[], -2)],
        vec![end(&[])],
        vec![count(&[], 0)],
        vec![count(&[], 1), end(&[]), count(&[], 2)],
        vec![end(&[]), count(&[], 7)],
        vec![count(&[], 3), end(&[])],
        vec![count(&[], -1), count(&[], 4)],
    ]
}

/// Counts and resets that are undone, and undos that are.
pub(crate) fn undone_counter() -> Alphabet {
    vec![
        vec![count(&[], 2)],
        vec![end(&[])],
        vec![act(&[], Undo(0))],
        vec![act(&[], Undo(1))],
        vec![act(&[], Undo(2))],
        vec![count(&[], -1), count(&[], 0), end(&[]), count(&[], 4)],
        vec![act(&[], Undo(3)), act(&[], Undo(2)), act(&[], Undo(1)), act(&[], Undo(0))],
        vec![count(&[], 7), act(&[], Undo(1)), end(&[])],
    ]
}

/// Undos of one count of several.
pub(crate) fn undone_counts() -> Alphabet {
    vec![vec![count(&[], 2)], vec![act(&[], Undo(1))], vec![act(&[], Undo(0)), end(&[])]]
}

pub(crate) fn g_counter() -> Alphabet {
    vec![vec![count(&[], 1)], vec![count(&[], 2), count(&[], 3)], vec![count(&[], 70_000)]]
}

pub(crate) fn mv_register() -> Alphabet {
    vec![
        vec![act(&[], Keep("x"))],
        vec![act(&[], Keep("y"))],
        vec![end(&[])],
        vec![act(&[], Keep("z")), end(&[])],
        vec![end(&[]), act(&[], Keep("z"))],
        vec![act(&[], Keep("y")), act(&[], Keep("x"))],
    ]
}

pub(crate) fn max_register() -> Alphabet {
    vec![
        vec![act(&[], Raise("3"))],
        vec![act(&[], Raise("1"))],
        vec![end(&[])],
        vec![act(&[], Raise("2"))],
        vec![act(&[], Raise("4")), act(&[], Raise("2"))],
        vec![end(&[]), act(&[], Raise("0"))],
        vec![act(&[], Raise("3")), act(&[], Raise("3")), end(&[]), act(&[], Raise("1"))],
    ]
}

pub(crate) fn min_register() -> Alphabet {
    vec![
        vec![act(&[], Lower("1"))],
        vec![act(&[], Lower("3"))],
        vec![end(&[])],
        vec![act(&[], Lower("2"))],
        vec![act(&[], Lower("0")), act(&[], Lower("2"))],
        vec![end(&[]), act(&[], Lower("4"))],
        vec![act(&[], Lower("1")), act(&[], Lower("1")), end(&[]), act(&[], Lower("3"))],
    ]
}

pub(crate) fn enable_wins_flag() -> Alphabet {
    vec![
        vec![add(&[])],
        vec![end(&[])],
        vec![add(&[]), end(&[])],
        vec![end(&[]), add(&[])],
        vec![add(&[]), add(&[])],
    ]
}

pub(crate) fn disable_wins_flag() -> Alphabet {
    vec![
        vec![act(&[], Admit)],
        vec![act(&[], Bar)],
        vec![act(&[], Bar), act(&[], Admit)],
        vec![act(&[], Admit), act(&[], Bar)],
        vec![act(&[], Admit), act(&[], Admit)],
    ]
}

pub(crate) fn g_set() -> Alphabet {
    vec![vec![add(&["a"])], vec![add(&["b"]), add(&["a"])], vec![add(&[LONG])]]
}

pub(crate) fn rw_set() -> Alphabet {
    vec![
        vec![act(&["a"], Admit)],
        vec![act(&["a"], Bar)],
        vec![act(&[], BarAll)],
        vec![act(&["b"], Admit)],
        vec![act(&["b"], Bar)],
        vec![act(&[LONG], Admit), act(&["b"], Bar)],
        vec![act(&["a"], Bar), act(&["a"], Admit)],
        vec![act(&["a"], Admit), act(&[], BarAll), act(&["b"], Admit), act(&["b"], Admit)],
    ]
}

pub(crate) fn two_phase_set() -> Alphabet {
    vec![
        vec![act(&["a"], Enter)],
        vec![act(&["a"], Leave)],
        vec![act(&["a"], Leave), act(&["b"], Enter)],
        vec![act(&["b"], Leave)],
        vec![act(&[LONG], Enter), act(&["b"], Leave), act(&["a"], Enter)],
        vec![act(&["b"], Enter), act(&["b"], Enter)],
        vec![act(&["c"], Enter), act(&["c"], Leave), act(&["c"], Enter)],
    ]
}

pub(crate) fn bounded_counter() -> Alphabet {
    vec![
        vec![act(&[], Grant(2)), act(&[], Pass(1, 3))],
        vec![act(&[], Spend(1))],
        vec![act(&[], Pass(1, 2))],
        vec![act(&[], Grant(3)), act(&[], Spend(2))],
        vec![act(&[], Spend(4)), act(&[], Pass(2, 1))],
        vec![act(&[], Pass(1, 4)), act(&[], Pass(1, 1))],
        vec![act(&[], Spend(0)), act(&[], Grant(0))],
    ]
}

/// Replicas are declared retired, rightly and wrongly, by several, and in circles. The rights that
/// are spent are added just before: a replica that believes a wrong declaration overspends.
pub(crate) fn reclaimed_rights() -> Alphabet {
    vec![
        vec![act(&[], Grant(2)), act(&[], Pass(1, 4))],
        vec![act(&[], Reclaim(4))],
        vec![act(&[], Reclaim(1)), act(&[], Reclaim(1))],
        vec![act(&[], Pass(1, 2)), act(&[], Reclaim(2))],
        vec![act(&[], Grant(2)), act(&[], Spend(1)), act(&[], Pass(2, 3))],
        vec![act(&[], Reclaim(3)), act(&[], Reclaim(4)), act(&[], Grant(0))],
    ]
}
