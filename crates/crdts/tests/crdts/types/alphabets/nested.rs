//! Alphabets of maps and structs: nested values, and removals above them.

use super::LONG;
use crate::world::What::{Admit, Bar, BarAll, Enter, Grant, Keep, Leave, Pass, Raise, Spend, Veil};
use crate::world::{Alphabet, act, add, count, end, write};

pub(crate) fn map_of_counters() -> Alphabet {
    vec![
        vec![count(&["a"], 1)],
        vec![end(&["a"])],
        vec![count(&["b"], 0)],
        vec![end(&[])],
        vec![count(&["b"], -3)],
        vec![end(&["b"])],
        vec![count(&["a"], 2), end(&[]), count(&["a"], 4), count(&["b"], 1)],
        vec![end(&["a"]), count(&["a"], 0)],
        vec![count(&[LONG], 9)],
        vec![act(&["a"], Veil)],
        vec![act(&["b"], Veil), end(&["b"])],
    ]
}

pub(crate) fn map_of_sets() -> Alphabet {
    vec![
        vec![add(&["a", LONG])],
        vec![end(&["a"])],
        vec![add(&["b", "y"])],
        vec![end(&[])],
        vec![end(&["a", LONG])],
        vec![add(&["a", "x"])],
        vec![end(&["b"]), add(&["b", "y"])],
        vec![add(&["a", "x"]), add(&["b", "x"]), end(&["a"])],
        vec![add(&["b", LONG]), end(&[]), add(&["b", "z"])],
        vec![act(&["a"], Veil)],
        vec![add(&["b", "y"]), act(&["b"], Veil)],
    ]
}

pub(crate) fn map_of_registers() -> Alphabet {
    vec![
        vec![write(&["a"], "x")],
        vec![write(&["a"], "y")],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![write(&[LONG], "z")],
        vec![end(&[LONG])],
        vec![write(&["a"], "u"), write(&[LONG], "v")],
        vec![end(&[]), write(&["a"], "w")],
        vec![write(&["a"], "w"), end(&[])],
        vec![act(&["a"], Veil)],
        vec![act(&["a"], Veil), write(&["a"], "v")],
    ]
}

pub(crate) fn map_of_maps_of_counters() -> Alphabet {
    vec![
        vec![count(&["a", "x"], 1)],
        vec![end(&["a", "x"])],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![count(&["a", "y"], -2)],
        vec![count(&["b", "x"], 3)],
        vec![end(&["b"]), count(&["b", "x"], 4)],
        vec![count(&["a", "x"], 5), end(&["a"]), count(&["a", "x"], 6)],
        vec![act(&["a"], Veil)],
        vec![act(&["a", "x"], Veil)],
        vec![act(&["b"], Veil), count(&["b", "z"], 1)],
    ]
}

pub(crate) fn map_of_maps_of_sets() -> Alphabet {
    vec![
        vec![add(&["a", "x", LONG])],
        vec![end(&["a", "x"])],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![add(&["a", "y", "1"])],
        vec![end(&["a", "x", LONG])],
        vec![add(&["b", "x", "1"]), add(&["b", "y", LONG])],
        vec![add(&["a", "x", "2"]), end(&["a"]), add(&["a", "x", "3"])],
        vec![end(&["b"]), add(&["b", "x", "1"])],
    ]
}

pub(crate) fn record() -> Alphabet {
    vec![
        vec![count(&["lines", "a"], 2), write(&["note"], "x")],
        vec![end(&["lines", "a"]), count(&["total"], 1)],
        vec![add(&["tags", LONG])],
        vec![end(&["tags"]), end(&["total"])],
        vec![end(&["lines"])],
        vec![write(&["note"], "y"), end(&["note"])],
        vec![count(&["total"], -5)],
        vec![end(&["note"]), add(&["tags", "b"]), end(&["tags", LONG])],
        vec![act(&["members", "m"], Admit), act(&["best"], Raise("2"))],
        vec![act(&["members", "m"], Bar), act(&["best"], Raise("1")), end(&["best"])],
    ]
}

pub(crate) fn map_of_records() -> Alphabet {
    vec![
        vec![count(&["k", "lines", "a"], 2), add(&["k", "tags", LONG])],
        vec![end(&["k"])],
        vec![write(&["k", "note"], "x"), count(&["k", "total"], 1)],
        vec![end(&[])],
        vec![end(&["k", "lines"]), count(&["k", "total"], 0)],
        vec![add(&["l", "tags", "b"]), write(&["l", "note"], "y")],
        vec![count(&["k", "total"], 4), end(&["k"]), count(&["k", "total"], 5)],
        vec![end(&["l"]), write(&["k", "note"], "z"), end(&["k", "tags"])],
        vec![act(&["k", "members", "m"], Admit), act(&["k", "best"], Raise("2"))],
        vec![act(&["k", "members", "m"], Bar), act(&["k", "best"], Raise("1"))],
        vec![act(&["k"], Veil), count(&["k", "total"], 1)],
        vec![act(&["k"], Veil)],
        vec![act(&["k", "lines", "a"], Veil)],
    ]
}

/// Keys that are removed unless somebody changes them.
pub(crate) fn kept_registers() -> Alphabet {
    vec![
        vec![write(&["a"], "x")],
        vec![act(&["a"], Veil)],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&["a"], Veil), write(&["a"], "y")],
        vec![write(&["b"], "z"), act(&["b"], Veil)],
    ]
}

pub(crate) fn kept_shelves() -> Alphabet {
    vec![
        vec![count(&["a", "x"], 1)],
        vec![act(&["a"], Veil)],
        vec![count(&["a", "y"], 2)],
        vec![act(&["a", "x"], Veil)],
        vec![end(&["a", "x"])],
        vec![end(&["a"])],
        vec![end(&[]), count(&["a", "y"], 3)],
        vec![act(&["a"], Veil), count(&["a", "z"], 4)],
        vec![end(&["a", "y"]), act(&["a"], Veil)],
    ]
}

pub(crate) fn kept_groups() -> Alphabet {
    vec![
        vec![act(&["a", "x"], Admit)],
        vec![act(&["a"], Veil)],
        vec![act(&["a", "x"], Bar)],
        vec![act(&["a"], BarAll)],
        vec![end(&["a"])],
        vec![act(&["a", "y"], Admit), act(&["a"], Veil), act(&["a"], BarAll)],
    ]
}

pub(crate) fn map_of_g_counters() -> Alphabet {
    vec![
        vec![count(&["a"], 1)],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![count(&["b"], 2)],
        vec![count(&["a"], 2), end(&["a"]), count(&["a"], 4)],
        vec![end(&["b"]), count(&["b"], 1), count(&["b"], 1)],
    ]
}

pub(crate) fn map_of_mv_registers() -> Alphabet {
    vec![
        vec![act(&["a"], Keep("x"))],
        vec![act(&["a"], Keep("y"))],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&[LONG], Keep("z")), act(&["a"], Keep("z"))],
        vec![end(&[LONG])],
        vec![act(&["a"], Keep("x")), end(&[]), act(&["a"], Keep("y"))],
    ]
}

pub(crate) fn map_of_max_registers() -> Alphabet {
    vec![
        vec![act(&["a"], Raise("3"))],
        vec![act(&["a"], Raise("1"))],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&[LONG], Raise("2")), act(&["a"], Raise("2"))],
        vec![end(&[LONG]), act(&["a"], Raise("4"))],
        vec![end(&["a"]), act(&["a"], Raise("0")), act(&["a"], Raise("2"))],
    ]
}

pub(crate) fn map_of_enable_flags() -> Alphabet {
    vec![
        vec![add(&["a"])],
        vec![end(&["a"])],
        vec![add(&[LONG]), end(&[])],
        vec![add(&["b"]), add(&["a"])],
        vec![add(&[LONG])],
        vec![end(&["b"]), add(&["b"])],
        vec![end(&[])],
    ]
}

pub(crate) fn map_of_disable_flags() -> Alphabet {
    vec![
        vec![act(&["a"], Admit)],
        vec![act(&["a"], Bar)],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&[LONG], Bar), act(&["a"], Admit)],
        vec![act(&[LONG], Admit)],
        vec![act(&["a"], Bar), end(&[]), act(&[LONG], Admit)],
    ]
}

pub(crate) fn map_of_g_sets() -> Alphabet {
    vec![
        vec![add(&["a", LONG])],
        vec![end(&["a"])],
        vec![add(&["b", "x"]), end(&[])],
        vec![add(&["a", "x"]), add(&["a", "y"])],
        vec![end(&["b"]), add(&["b", "x"])],
        vec![end(&[])],
    ]
}

pub(crate) fn map_of_rw_sets() -> Alphabet {
    vec![
        vec![act(&["a", LONG], Admit)],
        vec![act(&["a", LONG], Bar)],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&["b", "x"], Admit), act(&["a", "x"], Bar)],
        vec![act(&["a"], BarAll)],
        vec![act(&["a", "x"], Admit), end(&["a"]), act(&["a", "y"], Admit)],
        vec![act(&["b", "x"], Bar), end(&["b"]), act(&["b", "x"], Admit)],
    ]
}

pub(crate) fn map_of_two_phase_sets() -> Alphabet {
    vec![
        vec![act(&["a", LONG], Enter)],
        vec![act(&["a", LONG], Leave)],
        vec![end(&["a"])],
        vec![end(&[])],
        vec![act(&["b", "x"], Enter), act(&["a", "x"], Enter)],
        vec![act(&["b", "x"], Leave), end(&["b"]), act(&["b", "x"], Enter)],
        vec![act(&["a", "x"], Leave), act(&["a", LONG], Enter)],
    ]
}

pub(crate) fn map_of_maps_of_rw_sets() -> Alphabet {
    vec![
        vec![act(&["a", "k", "x"], Admit)],
        vec![act(&["a", "k", "x"], Bar)],
        vec![end(&["a"])],
        vec![end(&["a", "k"])],
        vec![end(&[])],
        vec![act(&["a", "k"], BarAll), act(&["b", "k", LONG], Admit)],
        vec![act(&["b", "k", LONG], Bar), end(&["b"])],
    ]
}

pub(crate) fn shop() -> Alphabet {
    vec![
        vec![act(&["seats"], Grant(2)), act(&["seats"], Pass(1, 3))],
        vec![act(&["seats"], Spend(1)), count(&["lines", "a"], 1)],
        vec![end(&["lines", "a"]), act(&["seats"], Pass(1, 2))],
        vec![end(&["lines"])],
        vec![count(&["lines", "b"], -1), act(&["seats"], Spend(3))],
    ]
}
