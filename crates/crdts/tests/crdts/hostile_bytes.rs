//! Bytes from strangers: those that decode are canonical, and those that do not do no harm.
//!
//! If a decoder reserved memory by a claimed count, counts up to 2^64 in every place would end the
//! process; so if these tests pass, nothing is reserved by a claim.

use proptest::prelude::*;
use rejoin_crdts::delta::Delta;
use rejoin_crdts::state::load;
use rejoin_crdts::{Atom, Crdt, Kind, Path, RawAtom, Replica, RetiredIds};
use rejoin_vclock::codec::{Decode, Encode, Reader, write_varint};

use crate::forge::{Claim, Forgery, Named};
use crate::random::{fit, ids, steps};
use crate::types::{
    Boxes, ConsentOf, Events, Groups, Lines, Notes, Records, Seats, Shop, Tags, alphabets,
};
use crate::world::{Alphabet, Saved, Subject, World, fresh};

/// Damage to bytes by one flipped, lost or foreign piece.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Truncate(usize),
    Remove(usize),
    Insert(usize, u8),
    Overwrite(usize, u64),
    Repeat(usize, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: usize| at % bytes.len().max(1);
        match *self {
            _ if bytes.is_empty() => {}
            Self::Flip(at, bit) => {
                let at = place(at);
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Truncate(at) => bytes.truncate(place(at)),
            Self::Remove(at) => drop(bytes.remove(place(at))),
            Self::Insert(at, byte) => bytes.insert(place(at), byte),
            Self::Overwrite(at, number) => {
                let at = place(at);
                let mut varint = Vec::new();
                write_varint(&mut varint, number);
                bytes.splice(at..=at, varint);
            }
            Self::Repeat(at, length) => {
                let at = place(at);
                let end = (at + length % 40).min(bytes.len());
                bytes.splice(at..at, bytes[at..end].to_vec());
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![0..40_u64, Just(1 << 32), Just(1 << 40), Just(u64::MAX)];
    let at = any::<usize>();
    prop_oneof![
        4 => (at, any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => at.prop_map(Damage::Truncate),
        1 => at.prop_map(Damage::Remove),
        2 => (at, any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        3 => (at, number).prop_map(|(at, number)| Damage::Overwrite(at, number)),
        2 => (at, at).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

/// Decodes bytes as a delta: if they are one, they are its only spelling, and applying it is safe.
fn try_as_delta<S: Subject>(bytes: &[u8], reader: &Replica<S>) {
    let Ok(delta) = Delta::from_bytes(bytes) else { return };
    assert_eq!(delta.to_bytes(), bytes, "another spelling of {delta:?}");
    let mut reader = reader.fork(fresh(500));
    reader.apply_reporting(&delta, &mut |record| _ = format!("{record}"));
    try_as_state::<S>(&reader.save());
}

/// Decodes bytes as a state: if they are one, they are its only spelling, and it is a value like
/// any other.
pub(crate) fn try_as_state<S: Subject>(bytes: &[u8]) -> bool {
    let decoded = load(bytes).is_ok();
    let loaded = Replica::<S>::load(bytes, fresh(501));
    assert_eq!(loaded.is_ok(), decoded);
    let Ok(mut loaded) = loaded else { return false };
    assert_eq!(loaded.save(), bytes, "another spelling of {loaded:?}");
    loaded.validate();
    let empty = Replica::<S>::new(fresh(502));
    assert!(!loaded.merge(&empty));
    let mut merged = empty.fork(fresh(503));
    merged.merge(&loaded);
    assert_eq!(merged.save(), bytes, "merged into nothing");
    true
}

/// Makes valid deltas and states of a random world, then damages them.
pub(crate) fn damaged<S: Subject>(alphabet: &Alphabet) {
    let script = proptest::collection::vec(steps(alphabet.len()), 1..16);
    let damages = proptest::collection::vec(proptest::collection::vec(damage(), 1..4), 40);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&(ids(), script, damages), |(ids, script, damages)| {
        let mut world = World::<S>::new(&ids, alphabet, Saved::new());
        for step in script {
            fit(step, world.history.len()).map(|step| world.perform(step));
        }
        let site = &world.sites[0].typed;
        for (index, damages) in damages.iter().enumerate() {
            let mut state = world.sites[index % 4].typed.save();
            damages.iter().for_each(|damage| damage.apply(&mut state));
            try_as_state::<S>(&state);
            if let Some(event) = index.checked_rem(world.history.len()) {
                let mut delta = world.delta(event).to_bytes();
                damages.iter().for_each(|damage| damage.apply(&mut delta));
                try_as_delta(&delta, site);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn damaged_maps_of_counters() {
    damaged::<Lines>(&alphabets::map_of_counters());
}

#[test]
fn damaged_maps_of_records() {
    damaged::<Records>(&alphabets::map_of_records());
}

#[test]
fn damaged_maps_of_registers() {
    damaged::<Notes>(&alphabets::map_of_registers());
}

#[test]
fn damaged_maps_of_maps_of_sets() {
    damaged::<Boxes>(&alphabets::map_of_maps_of_sets());
}

#[test]
fn damaged_maps_of_rw_sets() {
    damaged::<Groups>(&alphabets::map_of_rw_sets());
}

#[test]
fn damaged_maps_of_two_phase_sets() {
    damaged::<Events>(&alphabets::map_of_two_phase_sets());
}

#[test]
fn damaged_bounded_counters() {
    damaged::<Seats>(&alphabets::bounded_counter());
    damaged::<Seats>(&alphabets::reclaimed_rights());
    damaged::<Shop>(&alphabets::shop());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        try_as_delta(&bytes, &Replica::<Tags>::new(fresh(1)));
        try_as_state::<Tags>(&bytes);
        if let Ok(path) = Path::parse(bytes.clone()) {
            prop_assert_eq!(path.as_bytes(), bytes.as_slice());
            let _ = (format!("{path}"), path.names().count(), path.kind(), path.object_key());
        }
        let mut reader = Reader::new(&bytes);
        while let Ok(atom) = RawAtom::read(&mut reader) {
            let _ = format!("{atom}");
        }
    }

    /// Mostly small bytes, which are tags and counts, get further than random bytes do.
    #[test]
    fn random_small_bytes(bytes in proptest::collection::vec(0..34_u8, 0..60)) {
        let bytes = [[0; 16].as_slice(), &bytes].concat();
        try_as_delta(&bytes, &Replica::<Tags>::new(fresh(1)));
        try_as_state::<Tags>(&bytes[14..]);
        if let Ok(path) = Path::parse(bytes[16..].to_vec()) {
            prop_assert_eq!(path.as_bytes(), &bytes[16..]);
        }
    }
}

/// A delta and a state in which every kind of cell and effect occurs.
fn samples() -> (Vec<Delta>, Vec<u8>) {
    let mut tags = Replica::<Tags>::new(fresh(1));
    let mut lines = Replica::<Lines>::new(fresh(2));
    let long = "x".repeat(90);
    let mut deltas = vec![
        tags.edit(|tags| tags.entry("a").insert(&long)).expect("an edit"),
        lines.edit(|lines| lines.entry("a").add(-70_000)).expect("an edit"),
    ];
    tags.apply(&deltas[1]);
    deltas.push(tags.edit(|tags| tags.clear()).expect("an edit"));
    deltas.push(tags.edit(|tags| tags.entry("b").insert("y")).expect("an edit"));
    let root = Path::root(Kind::Map);
    let value = Some(RawAtom::of(&(7_u8, "seven".to_owned())));
    let register = Claim::Register { ends: Vec::new(), value };
    deltas.push(Forgery::first(3, root.key(&1_u8, Kind::LwwRegister), register).delta());
    deltas.extend(more_samples());
    let state = deltas.iter().fold(tags, |mut all, delta| {
        all.apply(delta);
        all
    });
    (deltas, state.save())
}

/// Samples of the kinds whose removes are retained, and of rights.
fn more_samples() -> Vec<Delta> {
    let root = Path::root(Kind::Map);
    let element = root.key(&"m".to_owned(), Kind::RwSet).key(&"x".to_owned(), Kind::Contested);
    let flag = root.key(&"f".to_owned(), Kind::DisableWinsFlag);
    let seats = root.key(&"s".to_owned(), Kind::BoundedCounter);
    let score = root.key(&"h".to_owned(), Kind::MaxRegister);
    let contest = |ends: &[Named], put| Claim::Contest { ends: ends.to_vec(), put };
    let rights = |moved, retires, yields| {
        let (granted, spent) = (70_000, 3);
        Claim::Rights { granted, spent, moved, retires, yields }
    };
    let changes = vec![
        (element.clone(), contest(&[], Some(false))),
        (element.clone(), contest(&[], Some(true))),
        (element, contest(&[(4, 1)], Some(true))),
        (flag.clone(), contest(&[], Some(false))),
        (flag, contest(&[(4, 4)], None)),
        (root.key(&"f".to_owned(), Kind::EnableWinsFlag), add_alone()),
        (seats.clone(), rights(None, None, None)),
        (seats.clone(), rights(Some((9, 200)), None, None)),
        (seats.clone(), rights(None, Some(8), Some(3))),
        (seats, rights(Some((9, 300)), Some(7), None)),
        (score, Claim::Register { ends: Vec::new(), value: Some(RawAtom::of(&7_u8)) }),
    ];
    let deps = vec![(1, 1)];
    vec![Forgery { origin: 4, first: 1, stamp: 9, deps, changes }.delta()]
}

fn add_alone() -> Claim {
    Claim::Element { ends: Vec::new(), add: true }
}

/// The forger writes the same bytes as the encoder: two sources of truth for one format.
#[test]
fn the_wire_format_is_as_documented() {
    let mut writer = Replica::<Tags>::new(fresh(5));
    let delta = writer
        .edit(|tags| {
            tags.entry("a").insert("x")?;
            tags.entry("a").insert("y")?;
            tags.entry("a").insert("x")
        })
        .expect("an edit");
    let set = Path::root(Kind::Map).key(&"a".to_owned(), Kind::Set);
    let element = |name: &str| set.key(&name.to_owned(), Kind::Element);
    let changes = vec![
        (element("x"), Claim::Element { ends: vec![], add: true }),
        (element("y"), Claim::Element { ends: vec![], add: true }),
        (element("x"), Claim::Element { ends: vec![(5, 1)], add: true }),
    ];
    let forgery = Forgery { origin: 5, first: 1, stamp: 1, deps: vec![], changes };
    assert_eq!(forgery.to_bytes(), delta.to_bytes());
}

/// The same for adds and removes that contend, and for rights.
#[test]
fn the_wire_format_of_removes_and_rights_is_as_documented() {
    let mut writer = Replica::<ConsentOf>::new(fresh(5));
    let delta = writer
        .edit(|consent| {
            consent.entry("a").enable()?;
            consent.entry("a").disable()?;
            consent.entry("a").enable()?;
            consent.remove("a")
        })
        .expect("an edit");
    let flag = Path::root(Kind::Map).key(&"a".to_owned(), Kind::DisableWinsFlag);
    let contest = |ends: &[Named], put| (flag.clone(), Claim::Contest { ends: ends.to_vec(), put });
    let changes = vec![
        contest(&[], Some(false)),
        contest(&[(5, 1)], Some(true)),
        contest(&[(5, 2)], Some(false)),
        contest(&[(5, 3)], None),
    ];
    let forgery = Forgery { origin: 5, first: 1, stamp: 1, deps: vec![], changes };
    assert_eq!(forgery.to_bytes(), delta.to_bytes());

    let mut writer = Replica::<Seats>::new(fresh(5));
    let delta = writer
        .edit(|seats| {
            seats.add(300)?;
            seats.spend(2)?;
            seats.transfer(7, crate::world::id(8))?;
            seats.reclaim(&RetiredIds::assume_retired([crate::world::id(8)])).map(drop)
        })
        .expect("an edit");
    let seats = Path::root(Kind::BoundedCounter);
    let rights = |spent, moved, retires| {
        (seats.clone(), Claim::Rights { granted: 300, spent, moved, retires, yields: None })
    };
    let changes = vec![
        rights(0, None, None),
        rights(2, None, None),
        rights(2, Some((8, 7)), None),
        rights(2, None, Some(8)),
    ];
    let forgery = Forgery { origin: 5, first: 1, stamp: 1, deps: vec![], changes };
    assert_eq!(forgery.to_bytes(), delta.to_bytes());
}

#[test]
fn no_beginning_of_a_delta_is_a_delta() {
    let (deltas, state) = samples();
    for bytes in deltas.iter().map(Encode::to_bytes) {
        for end in 0..bytes.len() {
            assert!(Delta::from_bytes(&bytes[..end]).is_err(), "{end} of {bytes:?}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Delta::from_bytes(&longer).is_err());
    }
    for end in 0..state.len() {
        assert!(Replica::<Tags>::load(&state[..end], fresh(9)).is_err());
    }
}

#[test]
fn every_flipped_bit_is_refused_or_means_itself() {
    let (deltas, state) = samples();
    let mut survivors = 0;
    for bit in 0..8 * state.len() {
        let mut bytes = state.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        survivors += usize::from(try_as_state::<Tags>(&bytes));
    }
    assert!(survivors > 0, "a state with another string is a state");
    let reader = Replica::<Tags>::load(&state, fresh(9)).expect("what is saved loads");
    for delta in deltas {
        let bytes = delta.to_bytes();
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            try_as_delta(&bytes, &reader);
        }
    }
}

#[test]
fn a_count_that_lies_reserves_nothing() {
    let (deltas, state) = samples();
    let reader = Replica::<Tags>::new(fresh(9));
    for claimed in [1 << 20, 1 << 32, 1 << 40, 1 << 63, u64::MAX] {
        for at in 0..state.len() {
            let mut bytes = state.clone();
            Damage::Overwrite(at, claimed).apply(&mut bytes);
            try_as_state::<Tags>(&bytes);
        }
        for bytes in deltas.iter().map(Encode::to_bytes) {
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                Damage::Overwrite(at, claimed).apply(&mut bytes);
                try_as_delta(&bytes, &reader);
            }
        }
    }
}

/// A delta of the origin 1, byte by byte: its deps and its one change.
pub(crate) fn spelled(first: u8, ids: &[u8], deps: &[(u8, u8)], change: &[u8]) -> Vec<u8> {
    let id = |id: u8| crate::world::id(id.into()).to_bytes();
    let mut bytes = id(1).to_vec();
    bytes.extend([first, 0, u8::try_from(ids.len()).expect("a few")]);
    bytes.extend(ids.iter().flat_map(|&other| id(other)));
    bytes.push(u8::try_from(deps.len()).expect("a few"));
    bytes.extend(deps.iter().flat_map(|&(place, counter)| [place, counter]));
    bytes.extend([1, 0]);
    bytes.extend(change);
    bytes
}

/// Length, null, set, the number 0, element, flags, and what the flags announce.
pub(crate) const ADD: &[u8] = &[4, 1, 2, 0x14, 5, 1];
/// The same for a counter that counts one.
pub(crate) const COUNT: &[u8] = &[2, 1, 3, 1, 1, 1, 0];

#[test]
fn spellings_that_no_encoder_writes() {
    let change = |head: &[u8], rest: &[u8]| [head, rest].concat();
    let element = |rest: &[u8]| change(&ADD[..5], rest);
    let counter = |rest: &[u8]| change(&COUNT[..3], rest);
    let set = |rest: &[u8]| change(&[2, 1, 2], rest);
    let good = [
        spelled(1, &[], &[], ADD),
        spelled(1, &[], &[], COUNT),
        spelled(1, &[2, 3], &[(1, 5), (2, 1)], ADD),
        spelled(1, &[2], &[], &element(&[2, 1, 1, 9])),
        spelled(9, &[2], &[], &element(&[3, 2, 0, 8, 1, 1])),
        spelled(9, &[2], &[], &counter(&[2, 2, 0, 8, 8, 0, 0, 1, 1, 1, 0, 0])),
        spelled(1, &[2], &[], &set(&[4, 1, 1, 1])),
        spelled(1, &[], &[], &set(&[4, 0])),
    ];
    for bytes in good {
        let delta = Delta::from_bytes(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        assert_eq!(delta.to_bytes(), bytes);
    }
    let bad = [
        ("no event 0", spelled(0, &[], &[], ADD)),
        ("an id that is not used", spelled(1, &[2], &[], ADD)),
        ("ids out of order", spelled(1, &[3, 2], &[(1, 1), (2, 1)], ADD)),
        ("an id twice", spelled(1, &[2, 2], &[(1, 1), (2, 1)], ADD)),
        ("the origin among the others", spelled(1, &[1], &[(1, 1)], ADD)),
        ("the origin among its deps", spelled(3, &[], &[(0, 1)], ADD)),
        ("deps out of order", spelled(1, &[2, 3], &[(2, 1), (1, 5)], ADD)),
        ("a dep twice", spelled(1, &[2], &[(1, 1), (1, 2)], ADD)),
        ("a dep on event 0", spelled(1, &[2], &[(1, 0)], ADD)),
        ("an id out of range", spelled(1, &[2], &[(1, 1), (2, 1)], ADD)),
        ("no flags", spelled(1, &[], &[], &element(&[0]))),
        ("unknown flags", spelled(1, &[], &[], &element(&[17]))),
        ("an element that ends by vector", spelled(1, &[], &[], &element(&[4, 0]))),
        ("a set that is added", spelled(1, &[], &[], &set(&[1]))),
        ("an element that stands for a remove", spelled(1, &[], &[], &element(&[9]))),
        ("ends of nothing", spelled(1, &[], &[], &element(&[2, 0]))),
        ("ends out of order", spelled(1, &[2], &[], &element(&[2, 2, 1, 9, 1, 8]))),
        ("an end twice", spelled(1, &[2], &[], &element(&[2, 2, 1, 9, 1, 9]))),
        ("floors of nothing", spelled(1, &[], &[], &counter(&[2, 0]))),
        (
            "two floors of one",
            spelled(9, &[], &[], &counter(&[2, 2, 0, 7, 7, 0, 0, 0, 8, 8, 0, 0])),
        ),
        ("a floor before its start", spelled(1, &[2], &[], &counter(&[2, 1, 1, 3, 4, 0, 0]))),
        ("a count that resets", spelled(2, &[2], &[], &counter(&[3, 1, 1, 7, 7, 0, 0, 1, 1, 0]))),
        ("a start of 0", spelled(1, &[], &[], &counter(&[1, 0, 1, 0]))),
        ("a vector that names its origin", spelled(3, &[], &[], &set(&[4, 1, 0, 1]))),
        ("no change", [&spelled(1, &[], &[], &[])[..20], &[0]].concat()),
    ];
    for (what, bytes) in bad {
        assert!(Delta::from_bytes(&bytes).is_err(), "{what}: {bytes:?}");
    }
}

/// The same for removes that are retained and for rights.
#[test]
fn spellings_of_removes_and_rights_that_no_encoder_writes() {
    let change = |head: &[u8], rest: &[u8]| [head, rest].concat();
    // Remove-wins set, the number 0, contested; disable-wins flag; bounded counter; max register.
    let contested = |rest: &[u8]| change(&[4, 1, 13, 0x14, 15], rest);
    let flag = |rest: &[u8]| change(&[2, 1, 11], rest);
    let rights = |rest: &[u8]| change(&[2, 1, 16], rest);
    let max = |rest: &[u8]| change(&[2, 1, 8], rest);
    let whole_id = |rest: &[u8]| [&rights(&[3, 5, 0])[..], &[9; 16], rest].concat();
    let good = [
        spelled(1, &[], &[], &contested(&[1])),
        spelled(1, &[], &[], &contested(&[9])),
        spelled(1, &[2], &[], &contested(&[11, 1, 1, 9])),
        spelled(1, &[2], &[], &contested(&[2, 1, 1, 9])),
        spelled(1, &[], &[], &flag(&[9])),
        spelled(1, &[], &[], &rights(&[1, 5, 0])),
        spelled(1, &[], &[], &whole_id(&[3])),
        spelled(1, &[], &[], &max(&[1, 0x14])),
    ];
    for bytes in good {
        let delta = Delta::from_bytes(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        assert_eq!(delta.to_bytes(), bytes);
    }
    let bad = [
        ("a contest about nothing", spelled(1, &[], &[], &contested(&[0]))),
        ("a remove that is not put", spelled(1, &[], &[], &contested(&[8]))),
        ("a remove that only ends", spelled(1, &[2], &[], &contested(&[10, 1, 1, 9]))),
        ("a contest that ends by vector", spelled(1, &[], &[], &contested(&[4, 0]))),
        ("a contest that ends nothing", spelled(1, &[], &[], &contested(&[3, 0]))),
        ("a contested place in a set of elements", spelled(1, &[], &[], &[4, 1, 2, 0x14, 15, 1])),
        ("an element in a remove-wins set", spelled(1, &[], &[], &[4, 1, 13, 0x14, 5, 1])),
        ("a flag with unknown flags", spelled(1, &[], &[], &flag(&[17]))),
        ("a max register that stands for a remove", spelled(1, &[], &[], &max(&[9, 0x14]))),
        ("rights that end", spelled(1, &[], &[], &rights(&[2, 5, 0]))),
        ("rights that stand for a remove", spelled(1, &[], &[], &rights(&[9, 5, 0]))),
        ("rights of nobody", spelled(1, &[], &[], &rights(&[0]))),
        ("rights that end by vector", spelled(1, &[], &[], &rights(&[4, 0]))),
        ("rights passed to half an id", spelled(1, &[], &[], &rights(&[3, 5, 0, 9, 9, 9]))),
        ("rights passed without an amount", spelled(1, &[], &[], &whole_id(&[]))),
    ];
    for (what, bytes) in bad {
        assert!(Delta::from_bytes(&bytes).is_err(), "{what}: {bytes:?}");
    }
}

/// A state with the vector {1: 9, 2: 9} and one cell, byte by byte.
pub(crate) fn state(path: &[u8], cell: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend([1, 2].iter().flat_map(|&number| crate::world::id(number).to_bytes()));
    bytes.extend([9, 9, 1, 0, u8::try_from(path.len()).expect("short")]);
    bytes.extend(path);
    bytes.extend(cell);
    bytes
}

/// The cells of removes and of rights have one spelling each, and an empty cell has none.
#[test]
fn cells_that_no_encoder_writes() {
    let flag: &[u8] = &[1, 11];
    let seats: &[u8] = &[1, 16];
    let to = |number: u128| crate::world::id(number).to_bytes();
    let share = |moved: &[(u128, u8)]| {
        let mut cell = vec![1, 0, 4, 7, 3, u8::try_from(moved.len()).expect("short")];
        moved.iter().for_each(|&(number, amount)| {
            cell.extend(to(number));
            cell.push(amount);
        });
        cell
    };
    let good = [
        state(flag, &[1, 0, 4, 0]),
        state(flag, &[0, 1, 0, 4]),
        state(flag, &[2, 0, 4, 1, 4, 1, 1, 5]),
        state(seats, &share(&[])),
        state(seats, &share(&[(1, 2), (2, 2)])),
        state(seats, &[2, 0, 4, 7, 3, 0, 1, 4, 0, 0, 0]),
    ];
    for bytes in good {
        let loaded = Replica::<Tags>::load(&bytes, fresh(9));
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        assert_eq!(loaded.save(), bytes);
    }
    let bad = [
        ("neither adds nor removes", state(flag, &[0, 0])),
        ("adds out of order", state(flag, &[2, 1, 4, 0, 4, 0])),
        ("removes twice", state(flag, &[0, 2, 0, 4, 0, 4])),
        ("a remove beyond the vector", state(flag, &[0, 1, 0, 10])),
        ("a remove of a stranger", state(flag, &[0, 1, 2, 4])),
        ("more removes than bytes", state(flag, &[0, 99, 0, 4])),
        ("no shares", state(seats, &[0])),
        ("two shares of one", state(seats, &[2, 0, 4, 7, 3, 0, 0, 5, 7, 3, 0])),
        ("shares out of order", state(seats, &[2, 1, 4, 7, 3, 0, 0, 5, 7, 3, 0])),
        ("a share beyond the vector", state(seats, &[1, 0, 10, 7, 3, 0])),
        ("transfers out of order", state(seats, &share(&[(2, 2), (1, 2)]))),
        ("a transfer twice", state(seats, &share(&[(1, 2), (1, 3)]))),
        ("more transfers than bytes", state(seats, &[1, 0, 4, 7, 3, 99])),
    ];
    for (what, bytes) in bad {
        assert!(Replica::<Tags>::load(&bytes, fresh(9)).is_err(), "{what}: {bytes:?}");
    }
}

/// Paths that repeat the one before cost a few bytes each, and may decode to five times the bytes
/// sent, but not to four thousand bytes for three.
#[test]
fn a_path_that_repeats_itself_is_no_bomb() {
    let long = Path::root(Kind::Set).key(&"x".repeat(4000), Kind::Element);
    let add = (long, Claim::Element { ends: Vec::new(), add: true });
    let forgery = Forgery { origin: 1, first: 1, stamp: 1, deps: vec![], changes: vec![add; 50] };
    assert!(forgery.to_bytes().len() < 5000);
    assert!(forgery.decode().is_err(), "200,000 bytes out of 5,000");

    let mut honest = Replica::<rejoin_crdts::OrSet<String>>::new(fresh(1));
    let delta = honest
        .edit(|set| (0..50).try_for_each(|_| set.insert(&"x".repeat(4000))))
        .expect("an edit");
    let bytes = delta.to_bytes();
    assert!(bytes.len() > 40_000, "the bound is the same for everybody: {}", bytes.len());
    assert_eq!(Delta::from_bytes(&bytes), Ok(delta));
}

/// A set in which one element is added and removed again and again is one path and few bytes per
/// operation.
#[test]
fn a_long_transaction_at_one_place_decodes() {
    let mut writer = Replica::<rejoin_crdts::OrSet<u8>>::new(fresh(1));
    let delta = writer
        .edit(|set| {
            (0..2000).try_for_each(|_| {
                set.insert(&1)?;
                set.remove(&1)
            })
        })
        .expect("an edit");
    assert_eq!(delta.changes().len(), 4000);
    assert_eq!(Delta::from_bytes(&delta.to_bytes()), Ok(delta));
    assert!(!writer.is_visible());
}
