//! The bytes of moves and of removals that hide, and of the states they leave.

use rejoin_crdts::delta::Delta;
use rejoin_crdts::{Doc, Dot, Kind, List, LwwRegister, OrMap, Path, Replica};
use rejoin_vclock::codec::{Decode, Encode};

use crate::world::{fresh, id};

/// Makes a delta of one operation by the second replica: a path, then flags and what they announce.
/// It names the first replica.
fn change(path: &Path, effect: &[u8]) -> Vec<u8> {
    let mut bytes = id(2).to_bytes().to_vec();
    bytes.extend([1, 1, 1]);
    bytes.extend(id(1).to_bytes());
    bytes.extend([1, 1, 1, 1, 0]);
    bytes.push(u8::try_from(path.as_bytes().len()).expect("short"));
    bytes.extend(path.as_bytes());
    bytes.extend(effect);
    bytes
}

fn item(list: Kind, part: Kind) -> Path {
    Path::root(list).key(&Dot::new(id(1), 1).expect("a counter"), part)
}

#[test]
fn moves_and_removals_that_hide_have_one_spelling() {
    let (item, node) = (item(Kind::List, Kind::ListItem), item(Kind::Tree, Kind::TreeNode));
    let key = Path::root(Kind::Map).key(&"k".to_owned(), Kind::MapKey);
    let register = Path::root(Kind::Map).key(&"k".to_owned(), Kind::LwwRegister);
    // 1 puts, 2 ends, 16 moves, 32 hides. Dots are (1, 1), and so is null, which is put as a place.
    let good: [&[u8]; 5] =
        [&[17, 1], &[19, 1, 1, 1, 1], &[33, 1, 1, 1], &[34, 1, 1, 1], &[35, 1, 1, 1, 1, 1, 1]];
    for effect in good {
        for path in [&item, &node] {
            let bytes = change(path, effect);
            let delta = Delta::from_bytes(&bytes).unwrap_or_else(|e| panic!("{effect:?}: {e}"));
            assert_eq!(delta.to_bytes(), bytes);
        }
        let hides = effect[0] & 32 != 0;
        assert_eq!(Delta::from_bytes(&change(&key, effect)).is_ok(), hides, "{effect:?}");
        assert!(Delta::from_bytes(&change(&register, effect)).is_err(), "{effect:?}");
    }
    let bad: [&[u8]; 9] = [
        &[16, 1],
        &[18, 1, 1, 1],
        &[32],
        &[49, 1],
        &[33, 0],
        &[35, 0, 1, 1, 1],
        &[33, 2, 1, 1, 1, 1],
        &[33, 2, 1, 1, 0, 1],
        &[33, 1, 0, 1],
    ];
    for effect in bad {
        for path in [&item, &node, &key] {
            assert!(Delta::from_bytes(&change(path, effect)).is_err(), "{effect:?} at {path}");
        }
    }
    for effect in [&[1, 1][..], &[2, 1, 1, 1], &[3, 1, 1, 1, 1]] {
        assert!(Delta::from_bytes(&change(&key, effect)).is_err(), "a register's at a key's part");
    }
}

/// A saved state with one byte cut or changed, in every way, is refused, or loads as what it says.
#[test]
fn what_they_leave_loads_as_it_was_saved_or_not_at_all() {
    let mut list = Replica::<List<LwwRegister<u8>>>::new(fresh(1));
    list.edit(|list| (0..3).try_for_each(|number| list.push()?.set(number))).expect("an edit");
    let mut other = list.fork(fresh(2));
    other.edit(|list| list.move_to(1, 0)).expect("an edit");
    list.edit(|list| {
        list.remove_unless_edited(0)?;
        list.remove_unless_edited(0)
    })
    .expect("an edit");
    list.merge(&other);
    let mut map = Replica::<OrMap<String, LwwRegister<u8>>>::new(fresh(3));
    map.edit(|map| map.entry("k").set(1)).expect("an edit");
    map.edit(|map| map.remove_unless_edited("k")).expect("an edit");
    for (bytes, of_list) in [(list.save(), true), (map.save(), false)] {
        let load = |bytes: &[u8]| match of_list {
            true => Replica::<List<Doc>>::load(bytes, fresh(9)).map(|copy| copy.save()),
            false => Replica::<Doc>::load(bytes, fresh(9)).map(|copy| copy.save()),
        };
        assert_eq!(load(&bytes).as_ref(), Ok(&bytes));
        for end in 0..bytes.len() {
            assert!(load(&bytes[..end]).is_err(), "cut off at {end}");
        }
        for place in 0..bytes.len() {
            for byte in [0, 1, 2, 0x7F, bytes[place] ^ 1, bytes[place].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[place] = byte;
                if let Ok(saved) = load(&changed) {
                    assert_eq!(saved, changed, "byte {place} as {byte}");
                }
            }
        }
    }
}
