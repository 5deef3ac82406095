//! Paths: canonical, in order, and with the same bounds where they are made and where they are
//! read.

use proptest::prelude::*;
use rejoin_crdts::cell::{CellRef, Saved};
use rejoin_crdts::crdt::{Outcome, Visit};
use rejoin_crdts::delta::{At, Covered, Delta, Effect};
use rejoin_crdts::edit::{Cursor, View};
use rejoin_crdts::path::{MAX_LEVELS, MAX_PATH_BYTES};
use rejoin_crdts::state::Join;
use rejoin_crdts::{Crdt, Dot, EditError, Kind, OrMap, OrSet, Path, PnCounter, Replica};
use rejoin_vclock::codec::{Decode, Encode};

use crate::world::{fresh, id};

fn names() -> impl Strategy<Value = String> {
    "[a\\x00\\x01]{0,3}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Everything below a path is one range of byte strings, and nothing else is in it.
    #[test]
    fn below_is_a_range(a in names(), b in names(), c in names()) {
        let path = Path::root(Kind::Map).key(&a, Kind::Map);
        let below = path.key(&c, Kind::Counter);
        let other = Path::root(Kind::Map).key(&b, Kind::Map).key(&c, Kind::Counter);
        prop_assert!(below.as_bytes().starts_with(path.as_bytes()));
        prop_assert_eq!(other.as_bytes().starts_with(path.as_bytes()), a == b);
        prop_assert_eq!(below.cmp(&other), a.cmp(&b));
    }

    #[test]
    fn parse_is_the_other_way(key in any::<String>(), name in any::<i32>()) {
        let path = Path::object(&key, Kind::Map).field("lines", Kind::Map)
            .key(&name, Kind::Set).key(&key, Kind::Element);
        prop_assert_eq!(Path::parse(path.as_bytes().to_vec()), Ok(path.clone()));
        prop_assert_eq!(path.kind(), Some(Kind::Element));
        prop_assert_eq!(path.object_key(), Some(key.clone()));
        prop_assert_eq!(path.to_string(), format!("{key}/lines/{name}/{key}"));
    }
}

#[test]
fn kinds_stand_where_they_may() {
    let dot = Dot::new(id(1), 1).expect("the first dot");
    for above in Kind::ALL {
        for below in Kind::ALL {
            let parent = Path::root(Kind::Map).key(&1_u8, above);
            for (path, by_dot) in
                [(parent.key(&2_u8, below), false), (parent.key(&dot, below), true)]
            {
                let named = by_dot || !matches!(above, Kind::List | Kind::Tree);
                let may = !above.is_part() && above.may_hold(below) && named;
                let parsed = Path::parse(path.as_bytes().to_vec());
                assert_eq!(parsed.is_ok(), may, "{below} below {above}");
                assert!(!may || !above.is_leaf(), "{below} below {above}, a leaf");
            }
        }
        assert_eq!(Kind::from_tag(above.tag()), Ok(above));
    }
    assert!(Path::parse(Path::root(Kind::Element).as_bytes().to_vec()).is_err());
    assert!((23..=255).all(|tag| Kind::from_tag(tag).is_err()));
    assert!(Kind::from_tag(20).is_err(), "kept for text");
    assert!(Path::parse(Vec::new()).is_err());
}

#[test]
fn length_is_bounded_on_both_sides() {
    let mut set = Replica::<OrSet<String>>::new(fresh(1));
    let around = 2 + 1 + 2 + 1; // the root; tag, end and kind of the element
    let longest = "x".repeat(MAX_PATH_BYTES - around);
    let delta = set.edit(|set| set.insert(&longest)).expect("it just fits");
    assert_eq!(Delta::from_bytes(&delta.to_bytes()), Ok(delta));
    assert!(Replica::<OrSet<String>>::load(&set.save(), fresh(2)).is_ok());
    let before = set.save();
    let refused = set.edit(|set| set.insert(&(longest + "x")));
    assert_eq!(refused, Err(EditError::PathTooLong { bytes: MAX_PATH_BYTES + 1 }));
    assert_eq!(set.save(), before);
}

/// A type that nests in itself, as a derived struct may.
#[derive(Clone, Default, Debug)]
struct Folder(OrMap<u8, Self>);

/// Counts one at the end of a chain of folders; the root and the counter are a level each.
fn count_below(cursor: &mut Cursor<'_>, folders: usize) -> Result<(), EditError> {
    let first = cursor.key(&1_u8, Kind::Map);
    let last = (1..folders).fold(first, |at, _| at.into_key(&1_u8, Kind::Map));
    PnCounter::editor(last.into_key(&1_u8, Kind::Counter)).add(1)
}

#[test]
fn depth_is_bounded_on_both_sides() {
    let mut folder = Replica::<Folder>::new(fresh(1));
    let delta = folder.edit(|at| count_below(at, MAX_LEVELS - 2)).expect("it just fits");
    assert_eq!(Delta::from_bytes(&delta.to_bytes()), Ok(delta));
    assert!(Replica::<Folder>::load(&folder.save(), fresh(2)).is_ok());
    let before = folder.save();
    let refused = folder.edit(|at| count_below(at, MAX_LEVELS - 1));
    assert_eq!(refused, Err(EditError::PathTooDeep { levels: MAX_LEVELS + 1 }));
    assert_eq!(folder.save(), before);
}

impl Crdt for Folder {
    const KIND: Kind = Kind::Map;
    type Editor<'a> = Cursor<'a>;
    type Reader<'a> = View<'a>;

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Cursor<'_> {
        cursor
    }

    fn reader(view: View<'_>) -> View<'_> {
        view
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        self.0.apply(path, effect, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.0.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.0.merge(&theirs.0, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        self.0.visit(at, visit);
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        self.0.cell(path)
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        self.0.load(path, saved)
    }

    fn is_visible(&self) -> bool {
        self.0.is_visible()
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}
