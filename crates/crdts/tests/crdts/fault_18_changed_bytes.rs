//! Fault 18: one byte of a saved list was changed, the list loaded, and reading it never ended.
//!
//! The bytes of a state are refused by name, or they are a value like any other, however they were
//! changed; and whatever liars write in well-formed deltas, all copies read it the same way, and
//! reading ends.

use std::fmt::Debug;

use rejoin_crdts::ordered::{Outline, Parent};
use rejoin_crdts::{Crdt, Doc, Dot, Kind, List, LwwRegister, OrMap, Path, RawAtom, Replica, Tree};
use rejoin_vclock::codec::{Decode, Encode};

use crate::forge::{Claim, Forgery};
use crate::world::{fresh, id};

type Text = LwwRegister<u8>;
type Texts = List<Text>;
type Folders = Tree<Text>;

/// Values that a byte is changed to, beside each of its bits: ends of ranges, tags, counts.
const BYTES: [u8; 12] = [0, 1, 2, 3, 5, 17, 0x14, 0x40, 0x7f, 0x80, 0xfe, 0xff];

/// Returns the bytes with one of them changed, to `every` value or to some, and every beginning of
/// them.
pub(crate) fn changed(bytes: &[u8], every: bool) -> impl Iterator<Item = Vec<u8>> + '_ {
    let values = move |byte: u8| -> Vec<u8> {
        let near = [byte.wrapping_add(1), byte.wrapping_sub(1)];
        let bits = (0..8).map(move |bit| byte ^ 1 << bit);
        if every {
            (0..=255).collect()
        } else {
            BYTES.into_iter().chain(near).chain(bits).collect()
        }
    };
    let beginnings = (0..bytes.len()).map(|end| bytes[..end].to_vec());
    let changes = (0..bytes.len()).flat_map(move |at| {
        values(bytes[at]).into_iter().filter(move |&value| value != bytes[at]).map(move |value| {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            changed
        })
    });
    beginnings.chain(changes)
}

/// Loads bytes that may be a state; those that load are checked, and save to the same bytes.
/// Returns the number of those.
fn hold<T: Crdt + Clone + Debug>(honest: &Replica<T>, look: impl Fn(&Replica<T>)) -> usize {
    let bytes = honest.save();
    let mut loaded = 0;
    for bytes in changed(&bytes, bytes.len() < 120) {
        let Ok(copy) = Replica::<T>::load(&bytes, fresh(500)) else { continue };
        loaded += 1;
        assert_eq!(copy.save(), bytes);
        look(&copy);
        let mut other = Replica::<T>::new(fresh(501));
        other.merge(&copy);
        assert_eq!(other.save(), bytes, "merged into nothing");
        look(&other);
        let _ = format!("{}", copy.to_value());
        if let Ok(doc) = Replica::<Doc>::load(&bytes, fresh(502)) {
            assert_eq!(doc.save(), bytes);
        }
    }
    assert!(loaded > 0, "another value is a state, too");
    loaded
}

fn look_at_list(copy: &Replica<Texts>) {
    let items = copy.items();
    let mut ids: Vec<_> = items.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), items.len(), copy.iter().count()), (copy.len(), copy.len(), copy.len()));
    assert_eq!(copy.read(|list| list.len()), Ok(copy.len()));
    assert_eq!(copy.get(copy.len()).map(|_| ()), None);
}

fn look_at_tree(copy: &Replica<Folders>) {
    validate(&copy.outline());
    assert_eq!(copy.outline().len(), copy.len());
    assert_eq!(copy.read(|tree| tree.outline()), Ok(copy.outline()));
}

/// Checks that every node is reached from the root or from lost, once, and that no way up is a
/// cycle.
fn validate(outline: &Outline) {
    let tops = [Parent::Root, Parent::Lost];
    let tops = tops.iter().flat_map(|&top| outline.children(top));
    let mut reached: Vec<_> = tops.flat_map(|&node| outline.below(node)).collect();
    assert_eq!(reached.len(), outline.len(), "{outline:?}");
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), outline.len(), "{outline:?}");
    for (node, _) in outline.iter() {
        assert!(outline.above(node).all(|above| above != node), "{outline:?}");
    }
}

/// A list of two writers, with items that were moved, removed and written.
fn list() -> Replica<Texts> {
    let mut a = Replica::<Texts>::new(fresh(1));
    a.edit(|list| (0..3).try_for_each(|_| list.push().map(drop))).expect("an edit");
    let mut b = a.fork(fresh(2));
    a.edit(|list| list.move_to(2, 0)).expect("an edit");
    b.edit(|list| list.push()?.set(7)).expect("an edit");
    b.edit(|list| list.remove(1)).expect("an edit");
    a.merge(&b);
    a
}

fn tree() -> Replica<Folders> {
    let mut a = Replica::<Folders>::new(fresh(1));
    let mut nodes = Vec::new();
    a.edit(|tree| {
        nodes.push(tree.create(Parent::Root)?);
        nodes.push(tree.create(Parent::Node(nodes[0]))?);
        nodes.push(tree.create(Parent::Root)?);
        Ok(())
    })
    .expect("an edit");
    let mut b = a.fork(fresh(2));
    a.edit(|tree| tree.move_to(nodes[0], Parent::Node(nodes[2]))).expect("an edit");
    b.edit(|tree| tree.move_to(nodes[2], Parent::Node(nodes[1]))).expect("an edit");
    a.merge(&b);
    a
}

#[test]
fn fault_18_every_byte_of_a_list() {
    let mut two = Replica::<Texts>::new(fresh(1));
    two.edit(|list| (0..2).try_for_each(|_| list.insert(0).map(drop))).expect("an edit");
    hold(&two, look_at_list);
    hold(&list(), look_at_list);
}

#[test]
fn fault_18_every_byte_of_a_tree() {
    hold(&tree(), look_at_tree);
}

#[test]
fn fault_18_every_byte_of_what_nests() {
    let mut map = Replica::<OrMap<String, List<OrMap<String, Texts>>>>::new(fresh(1));
    map.edit(|map| {
        let mut rows = map.entry("rows");
        rows.push()?.entry("a").push()?.set(1)?;
        rows.push()?.entry("b").push()?.set(2)
    })
    .expect("an edit");
    hold(&map, |map| _ = map.iter().map(|(_, rows)| rows.iter().count()).sum::<usize>());
    let mut doc = Replica::<Doc>::new(fresh(1));
    doc.edit(|doc| {
        doc.at::<List<Doc>>("rows").push()?.at::<Texts>("cells").push()?.set(3)?;
        let mut tree = doc.at::<Folders>("tree");
        let top = tree.create(Parent::Root)?;
        tree.create(Parent::Node(top)).map(drop)
    })
    .expect("an edit");
    hold(&doc, |doc| _ = doc.read(|doc| doc.value()));
}

/// A dot at two places of one state, which no delta makes: each half alone would be a valid state.
#[test]
fn fault_18_a_dot_at_two_places() {
    let mut map = Replica::<OrMap<u8, Text>>::new(fresh(1));
    map.edit(|map| (0..2).try_for_each(|key| map.entry(&key).set(key))).expect("an edit");
    let bytes = map.save();
    let twice: Vec<_> = changed(&bytes, true)
        .filter_map(|bytes| Replica::<OrMap<u8, Text>>::load(&bytes, fresh(2)).err())
        .filter(|error| error.to_string().contains("a dot at two places"))
        .collect();
    assert_eq!(twice.len(), 2, "the dot of either write can become that of the other");
}

fn item(item: Dot, kind: Kind) -> Path {
    Path::root(Kind::List).key(&item, kind)
}

fn anchor(parent: Option<Dot>, right: bool) -> Claim {
    Claim::Register { ends: Vec::new(), value: Some(RawAtom::of(&(parent, right))) }
}

fn dot(replica: u128, counter: u64) -> Dot {
    Dot::new(id(replica), counter).expect("in range")
}

/// An origin cannot hang anything on a dot that it had not yet made.
#[test]
fn fault_18_a_position_on_itself_or_a_later_one_is_refused() {
    let hangs_on =
        |parent| Forgery::at(8, 3, item(dot(8, 3), Kind::ListItem), anchor(parent, true));
    assert!(hangs_on(Some(dot(8, 2))).decode().is_ok());
    for later in [3, 4, 1 << 39] {
        assert!(hangs_on(Some(dot(8, later))).decode().is_err());
    }
}

/// Two liars close a circle between them. Every copy sees all of it, in one order, and can write
/// there.
#[test]
fn fault_18_two_liars_close_a_circle() {
    let ring = [(8, 9), (9, 8)].map(|(own, other)| {
        let path = item(dot(own, 1), Kind::ListItem);
        Forgery::first(own, path, anchor(Some(dot(other, 1)), true)).delta()
    });
    let mut honest = Replica::<Texts>::new(fresh(1));
    honest.edit(|list| list.push()?.set(5)).expect("an edit");
    let mut other = honest.fork(fresh(2));
    ring.iter().for_each(|delta| _ = honest.apply(delta));
    ring.iter().rev().for_each(|delta| _ = other.apply(delta));
    assert_eq!(honest.save(), other.save());
    for copy in [&honest, &other] {
        look_at_list(copy);
        let ids: Vec<_> = copy.items().iter().map(|(id, _)| id.dot()).collect();
        assert_eq!(ids, [dot(1, 1), dot(8, 1), dot(9, 1)]);
    }
    let loaded = Replica::<Texts>::load(&honest.save(), fresh(3)).expect("what is saved loads");
    assert_eq!(loaded.save(), honest.save());
    for index in 0..=3 {
        let insert = honest.edit(|list| list.insert(index)?.set(9)).expect("an edit");
        assert!(other.apply(&insert));
        assert_eq!(other.get(index).map(|item| item.get()), Some(Ok(Some(9))));
    }
}

/// An item is named by a dot that is another item's position, or that nobody has made yet.
#[test]
fn fault_18_names_that_are_taken_or_yet_to_come() {
    let write = |own, first, name| {
        let value = Some(RawAtom::of(&7_u8));
        let claim = Claim::Register { ends: Vec::new(), value };
        Forgery::at(own, first, item(name, Kind::LwwRegister), claim).delta()
    };
    let place = |own, first, name, parent| {
        Forgery::at(own, first, item(name, Kind::ListItem), anchor(parent, true)).delta()
    };
    let mut honest = Replica::<Texts>::new(fresh(1));
    // 8:1 is the place of item 9:9, and the name of an item that stands nowhere; 9:1 hangs on 8:1,
    // and the place 8:1 hangs on 9:1.
    let lies = [
        place(8, 1, dot(9, 9), Some(dot(9, 1))),
        place(9, 1, dot(9, 1), Some(dot(8, 1))),
        write(9, 2, dot(8, 1)),
        write(9, 3, dot(1, 1)),
        write(9, 4, dot(1, 1 << 39)),
    ];
    lies.iter().for_each(|delta| assert!(honest.apply(delta)));
    let mut other = Replica::<Texts>::new(fresh(2));
    [1, 2, 3, 4, 0].into_iter().for_each(|index: usize| _ = other.apply(&lies[index]));
    let ids = |copy: &Replica<Texts>| -> Vec<Dot> {
        look_at_list(copy);
        copy.items().into_iter().map(|(id, _)| id.dot()).collect()
    };
    assert_eq!(ids(&honest), ids(&other));
    // A value below a name that nobody inserted is not there.
    assert_eq!(honest.len(), 2);
    for index in 0..=honest.len() {
        let insert = honest.edit(|list| list.insert(index).map(drop)).expect("an edit");
        let arrived = rejoin_crdts::Delta::from_bytes(&insert.to_bytes());
        assert!(other.apply(&arrived.expect("an honest delta is always understood")));
        assert_eq!(ids(&honest), ids(&other));
    }
}

/// Numbers that look random and are not.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    /// One of a few dots, which name each other's items and nodes.
    fn dot(&mut self) -> Dot {
        dot(7 + u128::from(self.below(3)), 1 + self.below(3))
    }

    fn maybe(&mut self) -> Option<Dot> {
        (self.below(4) > 0).then(|| self.dot())
    }
}

/// Makes four operations of each of three liars, at places that they name as they like.
fn lies(
    numbers: &mut Numbers,
    kind: Kind,
    place: impl Fn(&mut Numbers) -> RawAtom,
) -> Vec<Forgery> {
    let part = if kind == Kind::List { Kind::ListItem } else { Kind::TreeNode };
    let mut lies = Vec::new();
    for at in 0..12 {
        let (origin, first) = (7 + at / 4, 1 + u64::try_from(at % 4).unwrap());
        let name = numbers.dot();
        let (kind_of, value) = match numbers.below(4) {
            0 => (Kind::LwwRegister, RawAtom::of(&7_u8)),
            _ => (part, place(numbers)),
        };
        let claim = Claim::Register { ends: Vec::new(), value: Some(value) };
        let path = Path::root(kind).key(&name, kind_of);
        lies.push(Forgery::at(origin, first, path, claim));
    }
    lies
}

/// Applies everything that passes for a delta, of each origin in order, the origins in two orders;
/// looks after each delta, and checks that the copies agree.
fn agree<T: Crdt + Clone + Debug>(lies: &[Forgery], look: impl Fn(&Replica<T>)) {
    let [mut one, mut two] = [1, 2].map(|id| Replica::<T>::new(fresh(id)));
    for lie in lies {
        lie.decode().map(|delta| one.apply(&delta)).ok();
        look(&one);
    }
    for origin in [9, 7, 8] {
        for lie in lies.iter().filter(|lie| lie.origin == origin) {
            lie.decode().map(|delta| two.apply(&delta)).ok();
        }
    }
    look(&two);
    assert_eq!(one.save(), two.save());
    assert_eq!(one.to_value(), two.to_value());
    let loaded = Replica::<T>::load(&one.save(), fresh(3)).expect("what is saved loads");
    assert_eq!(loaded.to_value(), one.to_value());
}

#[test]
fn fault_18_liars_about_lists_agree_with_all() {
    let mut numbers = Numbers(1);
    for _ in 0..3000 {
        let place = |numbers: &mut Numbers| RawAtom::of(&(numbers.maybe(), numbers.below(2) == 0));
        agree::<Texts>(&lies(&mut numbers, Kind::List, place), look_at_list);
    }
}

#[test]
fn fault_18_liars_about_trees_agree_with_all() {
    let mut numbers = Numbers(2);
    for _ in 0..3000 {
        let place = |numbers: &mut Numbers| {
            RawAtom::of(&(numbers.maybe(), (numbers.maybe(), numbers.below(3))))
        };
        agree::<Folders>(&lies(&mut numbers, Kind::Tree, place), look_at_tree);
    }
}

/// A circle of forty thousand positions takes no longer than a chain.
#[test]
fn fault_18_a_long_circle_ends() {
    const HALF: u64 = 20_000;
    let ring = |own: u128, other: u128| {
        let changes = (1..=HALF).map(|counter| {
            let parent = if own == 8 { counter } else { counter % HALF + 1 };
            (item(dot(own, counter), Kind::ListItem), anchor(Some(dot(other, parent)), true))
        });
        let changes: Vec<_> = changes.collect();
        Forgery { origin: own, first: 1, stamp: 1, deps: Vec::new(), changes }.delta()
    };
    let mut copy = Replica::<Texts>::new(fresh(1));
    assert!(copy.apply(&ring(8, 9)) && copy.apply(&ring(9, 8)));
    assert_eq!(copy.iter().count(), 2 * usize::try_from(HALF).unwrap());
    assert_eq!(copy.len(), 2 * usize::try_from(HALF).unwrap());
}
