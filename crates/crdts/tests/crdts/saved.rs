//! Saved values: whoever saves, and in whatever form a set stands, equal states are equal bytes;
//! what was saved before sets stood in columns can be loaded.

use rejoin_crdts::state::{encode_state, load, save};
use rejoin_crdts::{Crdt, Doc, GSet, OrMap, OrSet, Replica};
use rejoin_vclock::codec::DecodeError;

use crate::dice::Dice;
use crate::types::Tags;
use crate::world::{fresh, id};

/// Loads bytes, typed and not: if they are a state, they are its only spelling.
fn is_state<T: Crdt>(bytes: &[u8]) -> bool {
    let (typed, untyped) = (Replica::<T>::load(bytes, fresh(50)), load(bytes));
    assert_eq!(typed.is_ok(), untyped.is_ok());
    let (Ok(typed), Ok((context, parts))) = (typed, untyped) else { return false };
    assert_eq!(typed.save(), bytes, "another spelling");
    assert_eq!(save(&context, parts.iter()), bytes, "another spelling, untyped");
    true
}

type Shelves = OrMap<String, OrSet<u64>>;

/// Edits of a few replicas that met in different orders: adds, removes, elements with several dots.
fn shelves(seed: u64, size: u64) -> Vec<Replica<Shelves>> {
    let mut dice = Dice::new(seed);
    let mut copies: Vec<Replica<Shelves>> = (1..=3).map(|n| Replica::new(fresh(n))).collect();
    let long = "a shelf whose name is far too long beside what it holds, so that it stands alone";
    for _ in 0..size {
        let (at, from) = (dice.index(3), dice.index(3));
        let name = ["top", "bottom", long][dice.index(3)];
        let element = dice.roll(size / 2 + 1) << (8 * dice.roll(4));
        let changed = copies[at].edit(|shelves| match dice.roll(6) {
            0 => shelves.entry(name).remove(&element),
            _ => shelves.entry(name).insert(&element),
        });
        changed.expect("an edit");
        if dice.roll(8) == 0
            && let Ok([from, at]) = copies.get_disjoint_mut([from, at])
        {
            at.merge(from);
        }
    }
    copies
}

/// The bytes of before there were columns.
fn without_columns(bytes: &[u8]) -> Vec<u8> {
    let (context, parts) = load(bytes).expect("what is saved loads");
    let mut old = Vec::new();
    encode_state(&context, parts.iter(), &mut old);
    old
}

#[test]
fn equal_states_are_equal_bytes_in_every_form() {
    let mut shorter = 0;
    for seed in 1..120 {
        let mut copies = shelves(seed, 4 + seed);
        for from in [0, 1, 2, 0, 1] {
            let met = copies[from].fork(fresh(90));
            copies.iter_mut().for_each(|copy| _ = copy.merge(&met));
        }
        let saved = copies[0].save();
        for copy in &copies {
            assert_eq!(copy.save(), saved, "in whatever order they met");
        }
        assert!(is_state::<Shelves>(&saved));
        let (context, parts) = load(&saved).expect("what is saved loads");
        assert_eq!(save(&context, parts.iter()), saved, "untyped");
        let old = without_columns(&saved);
        let loaded = Replica::<Shelves>::load(&old, fresh(91)).expect("an older state");
        assert_eq!(loaded.save(), saved, "what was saved before");
        let doc = Replica::<Doc>::load(&saved, fresh(92)).expect("a state");
        assert_eq!(doc.save(), saved, "as a document");
        assert_eq!(doc.to_value(), copies[1].to_value());
        shorter += usize::from(saved.len() < old.len());
    }
    assert!(shorter > 90, "{shorter} of 119 in columns");
}

fn numbers(count: u64) -> Replica<GSet<u64>> {
    let mut set = Replica::<GSet<u64>>::new(fresh(1));
    (0..count).for_each(|n| _ = set.edit(|set| set.insert(&n)).expect("an edit"));
    set
}

#[test]
fn a_few_elements_stand_alone_and_more_in_columns() {
    for count in 0..8 {
        let saved = numbers(count).save();
        assert_eq!(saved.starts_with(&[0x80, 0x00]), count >= 4, "{count} elements");
        assert!(is_state::<GSet<u64>>(&saved));
    }
    let mut bytes = vec![0x80, 0, 1];
    bytes.extend(id(1).to_bytes());
    bytes.push(5); // the vector: five events of one replica
    bytes.extend([1, 0, 2, 1, 12, 5, 0, 0, 5]); // a set at null, of kind 12; a run of five
    bytes.extend([0x14, 0x15, 1, 0x15, 2, 0x15, 3, 0x15, 4]); // 0 to 4
    bytes.push(0); // nothing beside
    assert_eq!(numbers(5).save(), bytes);
}

/// Every byte of a saved state changed in many ways: it is refused, or is another state's only
/// spelling.
#[test]
fn changed_bytes_are_refused_or_mean_themselves() {
    let mut tags = Replica::<Tags>::new(fresh(1));
    for n in 0..7 {
        tags.edit(|tags| tags.entry("a").insert(&format!("tag {n}"))).expect("an edit");
        tags.edit(|tags| tags.entry("b").insert(&format!("{n}"))).expect("an edit");
    }
    let mut other = tags.fork(fresh(2));
    other.edit(|tags| tags.entry("b").insert("3")).expect("an edit");
    other.edit(|tags| tags.entry("b").insert("last")).expect("an edit");
    tags.edit(|tags| tags.entry("b").insert("3")).expect("an edit");
    tags.merge(&other);
    let saved = tags.save();
    assert!(saved.starts_with(&[0x80, 0x00]));
    let mut accepted = 0;
    for at in 2..saved.len() {
        for change in [1, 2, 4, 0x10, 0x80, 0xFF] {
            let mut changed = saved.clone();
            changed[at] ^= change;
            accepted += usize::from(is_state::<Tags>(&changed));
            changed.remove(at);
            accepted += usize::from(is_state::<Tags>(&changed));
        }
        assert!(!is_state::<Tags>(&saved[..at]), "cut off");
    }
    assert!(accepted > 20, "names and counters may be others: {accepted}");
}

/// Replaces one stretch of the bytes of five numbers, and returns what loading says.
fn said(find: &[u8], put: &[u8]) -> DecodeError {
    let saved = numbers(5).save();
    let at = saved.windows(find.len()).rposition(|it| it == find).expect("it is there");
    let changed = [&saved[..at], put, &saved[at + find.len()..]].concat();
    let typed = Replica::<GSet<u64>>::load(&changed, fresh(9)).expect_err("it is refused");
    assert_eq!(load(&changed).expect_err("it is refused"), typed);
    typed
}

#[test]
fn what_no_saver_writes_is_named() {
    let run = [5, 0, 0, 5, 0x14];
    assert_eq!(said(&[0x15, 3], &[0x15, 2]), DecodeError::Invalid("two cells at one place"));
    let dots = DecodeError::NotCanonical("the dots of a set");
    assert_eq!(said(&run, &[5, 0, 0, 2, 0, 0, 3, 0x14]), dots, "two runs that are one");
    assert_eq!(said(&run, &[5, 0, 0, 0, 0, 0, 5, 0x14]), dots, "a run of nothing");
    assert_eq!(said(&run, &[5, 0, 0, 6, 0x14]), dots, "a run of too many");
    let beyond = DecodeError::OutOfRange { what: "dot beyond the vector", value: 6 };
    assert_eq!(said(&run, &[5, 0, 1, 5, 0x14]), beyond);
    let unknown = DecodeError::OutOfRange { what: "replica of a state", value: 1 };
    assert_eq!(said(&run, &[5, 1, 0, 5, 0x14]), unknown);
    let few = [&[3_u8, 0, 0, 3, 0x14, 0x15, 1, 0x15, 2][..], &[0]].concat();
    let all = [5, 0, 0, 5, 0x14, 0x15, 1, 0x15, 2, 0x15, 3, 0x15, 4, 0];
    assert_eq!(said(&all, &few), DecodeError::NotCanonical("a set in columns"));
    let none = [0x80, 0, 0, 0, 0];
    assert_eq!(
        load(&none).expect_err("nothing"),
        DecodeError::NotCanonical("a state without columns")
    );
}

/// Few bytes make no large state: a long path before short names is no set in columns.
#[test]
fn a_long_path_is_not_multiplied() {
    let mut shelves = Replica::<Shelves>::new(fresh(1));
    let long = "x".repeat(1000);
    (0..200).for_each(|n| _ = shelves.edit(|it| it.entry(&long).insert(&n)).expect("an edit"));
    let saved = shelves.save();
    assert!(!saved.starts_with(&[0x80, 0x00]));
    let vector = [&[1][..], &id(1).to_bytes(), &[200, 1]].concat();
    let path = [&[1, 1, 3][..], long.as_bytes(), &[0, 1, 2]].concat();
    let mut forged = [&[0x80, 0][..], &vector, &[1, 0]].concat();
    rejoin_vclock::codec::write_length_prefixed(&mut forged, &path);
    forged.extend([200, 1, 0, 0, 200, 1]);
    (0..200_u64).for_each(|n| rejoin_crdts::Atom::write(&n, &mut forged));
    forged.push(0);
    let refused = load(&forged).expect_err("it is refused");
    assert_eq!(refused, DecodeError::NotCanonical("a set in columns"));
}
