//! Lists: the oracle after every step, and the effects that people notice.

use proptest::prelude::*;
use rejoin_crdts::ordered::ItemId;
use rejoin_crdts::{Delta, Doc, EditError, List, LwwRegister, OrMap, Replica};
use rejoin_vclock::codec::{Decode as _, Encode as _};

use crate::copies::{Event, Kind, Seen, exhaust, fresh, search};
use crate::list_oracle::{self, Act, Picture};

type Texts = List<LwwRegister<String>>;

struct Lists;

#[derive(Clone, Copy, Debug)]
enum Wish {
    Insert { at: usize, empty: bool },
    Move { from: usize, to: usize },
    Remove(usize),
    Hide(usize),
    Write(usize),
    Clear,
}

fn dot_of(id: ItemId) -> rejoin_crdts::Dot {
    id.dot()
}

impl Kind for Lists {
    type Value = Texts;
    type Wish = Wish;
    type Act = Act;
    type Picture = Picture;

    fn wishes() -> BoxedStrategy<Wish> {
        let index = 0..6_usize;
        prop_oneof![
            4 => (index.clone(), any::<bool>()).prop_map(|(at, empty)| Wish::Insert { at, empty }),
            4 => (index.clone(), index.clone()).prop_map(|(from, to)| Wish::Move { from, to }),
            1 => index.clone().prop_map(Wish::Remove),
            2 => index.clone().prop_map(Wish::Hide),
            2 => index.prop_map(Wish::Write),
            1 => Just(Wish::Clear),
        ]
        .boxed()
    }

    fn perform(copy: &mut Replica<Texts>, wish: &Wish) -> (Option<Act>, Option<Delta>) {
        let len = copy.len();
        let text = format!("text {}", copy.version_vector().get(copy.id()));
        let item_at = |copy: &Replica<Texts>, index: usize| copy.items()[index].0;
        let (act, delta) = match *wish {
            Wish::Insert { at, empty } => {
                let (index, text) = (at.min(len), (!empty).then_some(text));
                let delta = copy.edit(|list| {
                    let mut value = list.insert(index)?;
                    text.iter().try_for_each(|text| value.set(text.as_str()))
                });
                (Act::Insert { index, text }, delta)
            }
            Wish::Move { from, to } if from < len && to < len => {
                let item = dot_of(item_at(copy, from));
                (Act::Move { item, to }, copy.edit(|list| list.move_to(from, to)))
            }
            Wish::Remove(index) if index < len => {
                let item = dot_of(item_at(copy, index));
                (Act::Remove { item }, copy.edit(|list| list.remove(index)))
            }
            Wish::Hide(index) if index < len => {
                let item = dot_of(item_at(copy, index));
                (Act::Hide { item }, copy.edit(|list| list.remove_unless_edited(index)))
            }
            Wish::Write(index) if index < len => {
                let item = dot_of(item_at(copy, index));
                let delta = copy.edit(|list| list.at(index)?.set(text.as_str()));
                (Act::Write { item, text }, delta)
            }
            Wish::Clear => (Act::Clear, copy.edit(|list| list.clear())),
            _ => return (None, None),
        };
        (Some(act), Some(delta.expect("a legal edit")))
    }

    fn picture(copy: &Replica<Texts>) -> Picture {
        let text = |value: &LwwRegister<String>| value.get().expect("a string");
        let shown: Picture =
            copy.items().into_iter().map(|(id, value)| (dot_of(id), text(value))).collect();
        assert_eq!(copy.len(), shown.len());
        assert_eq!(copy.is_empty(), shown.is_empty());
        for (index, (_, shown)) in shown.iter().enumerate() {
            assert_eq!(copy.get(index).map(text), Some(shown.clone()));
        }
        let read = copy.read(|list| {
            let items = list.items().expect("memory can be read");
            let read =
                items.iter().map(|(id, value)| (dot_of(*id), value.get().expect("a string")));
            read.collect::<Picture>()
        });
        assert_eq!(read, shown, "the reader shows what the value shows");
        shown
    }

    fn oracle(events: &[Event<Act>], seen: Seen) -> Picture {
        list_oracle::picture(events, seen)
    }
}

#[test]
fn random_scripts() {
    search::<Lists>();
}

#[test]
fn small_worlds() {
    let insert = |at| Wish::Insert { at, empty: false };
    let wishes =
        [insert(1), Wish::Move { from: 1, to: 0 }, Wish::Move { from: 0, to: 1 }, Wish::Remove(0)];
    exhaust::<Lists>(&[insert(0), insert(1)], &wishes, 3);
    // Removals of either kind against moves and changes.
    let wishes = [Wish::Move { from: 0, to: 1 }, Wish::Write(0), Wish::Hide(0), Wish::Remove(0)];
    exhaust::<Lists>(&[insert(0), insert(1)], &wishes, 3);
}

fn texts(list: &Replica<Texts>) -> String {
    list.iter().map(|text| text.get().expect("a string").unwrap_or_default()).collect()
}

fn list_of(number: u128, content: &str) -> Replica<Texts> {
    let mut list = Replica::new(fresh(number));
    type_in(&mut list, 0, content, true);
    list
}

/// Inserts a run in one transaction per character, front to back or back to front.
fn type_in(list: &mut Replica<Texts>, at: usize, run: &str, forward: bool) {
    let chars: Vec<char> = run.chars().collect();
    for step in 0..chars.len() {
        let (index, char) =
            if forward { (at + step, chars[step]) } else { (at, chars[chars.len() - 1 - step]) };
        list.edit(|list| list.insert(index)?.set(char)).expect("a legal edit");
    }
}

/// Two people type at one place, each in either direction: one run stands after the other.
#[test]
fn concurrent_runs_do_not_interleave() {
    for (forward_a, forward_b) in [(true, true), (true, false), (false, true), (false, false)] {
        for at in 0..=2 {
            let mut a = list_of(1, "<>");
            let mut b = a.fork(fresh(2));
            type_in(&mut a, at, "abcd", forward_a);
            type_in(&mut b, at, "wxyz", forward_b);
            a.merge(&b);
            b.merge(&a);
            assert_eq!(texts(&a), texts(&b));
            let both = texts(&a).replace(['<', '>'], "");
            assert!(both == "abcdwxyz" || both == "wxyzabcd", "{both} at {at}");
        }
    }
}

/// Dead anchors stand between: a run is inserted while the other side removes its neighbours.
#[test]
fn a_run_keeps_together_where_its_neighbours_are_removed() {
    let mut a = list_of(1, "<mn>");
    let mut b = a.fork(fresh(2));
    type_in(&mut a, 2, "abcd", true);
    b.edit(|list| {
        list.remove(1)?;
        list.remove(1)
    })
    .expect("a legal edit");
    type_in(&mut b, 1, "wxyz", false);
    a.merge(&b);
    assert!(["<abcdwxyz>", "<wxyzabcd>"].contains(&texts(&a).as_str()), "{}", texts(&a));
}

/// A move is not a removal and an insertion: two moves of one item leave one item.
#[test]
fn concurrent_moves_of_one_item_leave_one() {
    let mut a = list_of(1, "abc");
    let mut b = a.fork(fresh(2));
    a.edit(|list| list.move_to(0, 2)).expect("a legal edit");
    b.edit(|list| list.move_to(0, 1)).expect("a legal edit");
    a.merge(&b);
    b.merge(&a);
    assert_eq!(texts(&a), texts(&b));
    assert!(["bca", "bac"].contains(&texts(&a).as_str()), "{}", texts(&a));
}

/// An item that one person changes or moves while another removes it is gone, for both; it cannot
/// be written to even if its id is known.
#[test]
fn a_removed_item_is_gone_whoever_changes_or_moves_it() {
    let mut a = list_of(1, "abc");
    let mut b = a.fork(fresh(2));
    let removed = b.items()[1].0;
    a.edit(|list| list.remove(1)).expect("a legal edit");
    b.edit(|list| {
        list.item(removed)?.set("B")?;
        list.move_to(1, 2)
    })
    .expect("a legal edit");
    a.merge(&b);
    b.merge(&a);
    assert_eq!((texts(&a), texts(&b)), ("ac".into(), "ac".into()));
    let gone = a.edit(|list| list.item(removed)?.set("B"));
    assert!(matches!(gone, Err(EditError::NoSuchItem { .. })), "{gone:?}");
    assert!(a.read(|list| list.item(removed).expect("memory can be read").is_none()));
    assert!(a.item(removed).is_none());
}

/// A key with a list that lost its last item is not there, in memory and through a reader, whatever
/// somebody wrote into the item meanwhile; and a later removal of it leaves nothing behind.
#[test]
fn what_is_left_of_a_list_is_not_seen() {
    type Lists = OrMap<String, Texts>;
    let mut a = Replica::<Lists>::new(fresh(1));
    let empty = a.save().len();
    a.edit(|lists| lists.entry("k").push()?.set("a")).expect("a legal edit");
    let mut b = a.fork(fresh(2));
    a.edit(|lists| lists.entry("k").remove(0)).expect("a legal edit");
    b.edit(|lists| lists.entry("k").at(0)?.set("b")).expect("a legal edit");
    a.merge(&b);
    assert!(!a.is_visible() && a.is_empty());
    a.read(|lists| {
        assert_eq!(lists.keys(), Ok(Vec::new()));
        assert_eq!(lists.contains_key("k"), Ok(false));
        assert_eq!((lists.len(), lists.is_empty()), (Ok(0), Ok(true)));
        assert_eq!(lists.at("k").len(), Ok(0));
    });
    assert_eq!(a.read_as::<Doc, _>(|doc| doc.names()), Ok(Vec::new()));
    assert_eq!(a.to_value().to_string(), "{}");
    let loaded = Replica::<Doc>::load(&a.save(), fresh(3)).expect("what is saved loads");
    assert!(!loaded.is_visible());
    a.edit(|lists| lists.entry("k").push()?.set("c")).expect("a legal edit");
    assert_eq!(a.to_value().to_string(), r#"{"k": ["c"]}"#);
    assert_eq!(a.read(|lists| lists.keys()), Ok(vec!["k".to_owned()]));
    a.edit(|lists| lists.remove("k")).expect("a legal edit");
    let dead = a.save().len();
    assert!(dead < empty + 250, "two dead positions and the vector: {dead} bytes");
}

/// Items in a list under a hidden key cannot be reached by their ids either: a write under the key
/// finds it empty.
#[test]
fn items_below_a_hidden_key_are_not_there() {
    let mut a = Replica::<OrMap<String, Texts>>::new(fresh(1));
    a.edit(|lists| lists.entry("k").push()?.set("a")).expect("a legal edit");
    let item = a.get("k").expect("a key").items()[0].0;
    a.edit(|lists| lists.remove_unless_edited("k")).expect("a legal edit");
    assert!(a.read(|lists| lists.at("k").item(item).expect("readable").is_none()));
    assert!(a.read(|lists| lists.at("k").is_empty().expect("readable")));
    let gone = a.edit(|lists| lists.entry("k").item(item)?.set("b"));
    assert!(matches!(gone, Err(EditError::NoSuchItem { .. })), "{gone:?}");
    assert!(a.edit(|lists| lists.entry("k").at(0)?.set("b")).is_err());
    a.edit(|lists| lists.entry("k").insert(0)?.set("c")).expect("a legal edit");
    assert_eq!(a.to_value().to_string(), r#"{"k": ["c"]}"#);
    assert!(a.edit(|lists| lists.remove_unless_edited("none")).expect("legal").is_empty());
}

/// A list whose moves were removals and insertions in one, from before existence had dots of its
/// own, keeps its bytes, and an item of it is there while a position lives.
#[test]
fn an_item_of_before_is_there_while_a_position_lives() {
    let mut a = list_of(1, "ab");
    let item = a.items()[1].0.dot();
    let mut b = a.fork(fresh(2));
    let moved = b.edit(|list| list.move_to(1, 0)).expect("a legal edit");
    // The flags of the move say that something ends (2), is put (1) and only moves (16).
    let mut bytes = moved.to_bytes();
    let flags = bytes.iter().rposition(|&byte| byte == 19).expect("the flags of a move");
    bytes[flags] = 3;
    let of_before = Delta::from_bytes(&bytes).expect("the same operation, of before");
    let mut early = a.fork(fresh(3));
    early.apply(&of_before);
    let mut late = a.fork(fresh(4));
    late.apply(&moved);
    assert_eq!((texts(&early), texts(&late)), ("ba".into(), "ba".into()));
    assert!(
        early.save().len() < late.save().len(),
        "existence has bytes where a move left it behind"
    );
    a.edit(|list| list.remove(1)).expect("a legal edit");
    for (other, left) in [(early, 2), (late, 1)] {
        let mut both = a.fork(fresh(5));
        both.merge(&other);
        assert_eq!((both.len(), both.items()[0].0.dot() == item), (left, left == 2));
        let saved = both.save();
        let loaded = Replica::<Texts>::load(&saved, fresh(6)).expect("what is saved loads");
        assert_eq!((loaded.save(), loaded.len()), (saved, left));
    }
}

#[test]
fn an_index_beyond_the_end_is_a_named_error() {
    let mut list = list_of(1, "ab");
    let before = list.save();
    let beyond = list.edit(|list| list.insert(3)?.set("x")).expect_err("there is no index 3");
    assert!(matches!(beyond, EditError::OutOfRange { index: 3, len: 2, .. }), "{beyond}");
    assert!(list.edit(|list| list.move_to(0, 2)).is_err());
    assert!(list.edit(|list| list.remove(2)).is_err());
    assert!(list.edit(|list| list.at(2)?.set("x")).is_err());
    assert_eq!(list.save(), before);
    assert!(list.edit(|list| list.move_to(1, 1)).expect("legal").is_empty(), "nothing moves");
}

/// An empty list that was created is there, even for a copy that does not know the type.
#[test]
fn an_empty_list_can_be_there() {
    let mut list = Replica::<Texts>::new(fresh(1));
    assert!(!list.is_visible());
    list.edit(|list| list.create()).expect("a legal edit");
    assert!(list.is_visible() && list.is_empty());
    list.edit(|list| list.clear()).expect("a legal edit");
    assert!(!list.is_visible());
}

use rejoin_crdts::Crdt as _;
