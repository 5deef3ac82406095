//! Every type of the crate with its alphabet: the one list that exhaustive, random and law tests
//! run over. A new type gets a line in [`every_type`] and an alphabet.

use rejoin_crdts::{LwwRegister, OrMap, OrSet, PnCounter};

use crate::world::{Alphabet, add, count, end, write};

pub(crate) use crate::world::Record;

pub(crate) type Flag = OrSet<String>;
pub(crate) type Stock = PnCounter;
pub(crate) type Note = LwwRegister<String>;
pub(crate) type Lines = OrMap<String, PnCounter>;
pub(crate) type Tags = OrMap<String, OrSet<String>>;
pub(crate) type Notes = OrMap<String, LwwRegister<String>>;
pub(crate) type Shelves = OrMap<String, OrMap<String, PnCounter>>;
pub(crate) type Records = OrMap<String, Record>;
pub(crate) type Boxes = OrMap<String, OrMap<String, OrSet<String>>>;

/// Makes one test per type out of a generic function over (type, alphabet).
macro_rules! every_type {
    ($run:ident) => {
        crate::types::every_type! { $run;
            or_set: Flag, lww_register: Note, pn_counter: Stock,
            map_of_counters: Lines, map_of_sets: Tags, map_of_registers: Notes,
            map_of_maps_of_counters: Shelves, map_of_maps_of_sets: Boxes,
            record: Record, map_of_records: Records,
        }
    };
    ($run:ident; $($name:ident: $subject:ident,)*) => {$(
        #[test]
        fn $name() {
            $run::<crate::types::$subject>(&crate::types::alphabets::$name());
        }
    )*};
}
pub(crate) use every_type;

/// A name so long that taking it away by vector is shorter than naming its dots.
const LONG: &str = "a name so long that taking it away by vector is shorter than naming its dots";

/// Per type its transactions: the first few for small worlds, all of them for random search.
pub(crate) mod alphabets {
    use super::{Alphabet, LONG, add, count, end, write};

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
        ]
    }
}
