//! Fault 21: a removal in a plain replica looked at all cells for each thing below it.
//!
//! No clock measures that: the value counts the cells that it shows.

use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{Crdt, EditError, List, LwwRegister, OrMap, Path, PnCounter, Replica, Tree};

use crate::costs::Watched;
use crate::types::every_type;
use crate::world::{Alphabet, Saved, Step, Subject, World, fresh};

type Folders = Tree<LwwRegister<u64>>;
type Shelves = OrMap<u64, OrMap<String, PnCounter>>;

/// Returns the number of cells that an edit looks at.
fn shown<T: Crdt>(
    copy: &mut Replica<Watched<T>>,
    edit: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
) -> usize {
    copy.take_shown();
    copy.edit(edit).expect("an edit");
    copy.take_shown()
}

#[test]
fn fault_21_a_folder_of_a_tree() {
    for chain in [false, true] {
        let mut copy = Replica::<Watched<Folders>>::new(fresh(1));
        let mut top = None;
        let made = copy.edit(|tree| {
            let mut below = tree.create(Parent::Root)?;
            top = Some(below);
            for _ in 0..10_000 {
                let node = tree.create(Parent::Node(below))?;
                below = if chain { node } else { below };
            }
            Ok(())
        });
        made.expect("an edit");
        let looked_at = shown(&mut copy, |tree| tree.remove(top.expect("it was created")));
        assert!(!copy.is_visible());
        assert!(looked_at <= 20_010, "{looked_at} cells for 10,001 nodes");
    }
}

#[test]
fn fault_21_keys_of_a_map_of_maps() {
    let mut copy = Replica::<Watched<Shelves>>::new(fresh(1));
    let fill = |map: &mut <Shelves as Crdt>::Editor<'_>| {
        (0..4000_u64).try_for_each(|key| map.entry(&key).entry("x").add(1))
    };
    copy.edit(fill).expect("an edit");
    assert_eq!(shown(&mut copy, |map| map.remove(&7)), 1, "what is below the key");
    copy.take_shown();
    assert_eq!(copy.read(|map| map.keys()).map(|keys| keys.len()), Ok(3999));
    // The record of a counter that was taken away stays, and is looked at.
    assert_eq!(copy.take_shown(), 4000, "each name is leapt to in what was put in order once");
    let all = shown(&mut copy, |map| (0..4000).try_for_each(|key| map.remove(&key)));
    assert_eq!(all, 4000);
}

#[test]
fn fault_21_items_of_a_list() {
    let mut copy = Replica::<Watched<List<LwwRegister<u64>>>>::new(fresh(1));
    copy.edit(|list| (0..500_u64).try_for_each(|n| list.push()?.set(n))).expect("an edit");
    let looked_at = shown(&mut copy, |list| (0..500).try_for_each(|_| list.remove(0)));
    assert!(looked_at <= 1000, "{looked_at} cells for 500 items");
}

/// Checks that the cells shown below a path, or below a name whatever its kind, are those that a
/// walk through all cells shows there.
fn scopes<S: Subject>(alphabet: &Alphabet) {
    let mut world = World::<S>::new(&[1, 2], alphabet, Saved::new());
    for choice in 0..2 * alphabet.len() {
        world.perform(Step::Edit { at: choice % 2, choice: choice / 2 });
        world.perform(Step::Merge { from: choice % 2, to: 1 - choice % 2 });
        let value: &S = &world.sites[0].typed;
        let root = Path::root(S::KIND);
        let mut all = Vec::new();
        value.visit(&root, &mut |path, cell| all.push((path.clone(), cell.to_cell())));
        for (path, _) in &all {
            let path = path.as_bytes();
            let mut scopes = vec![path.to_vec(), root.as_bytes().to_vec()];
            rejoin_crdts::path::names(path, &mut |name| {
                scopes.extend([name.to_vec(), path[..=name.len()].to_vec()]);
            });
            for below in scopes.iter().filter_map(|scope| scope.strip_prefix(root.as_bytes())) {
                let mut found = Vec::new();
                value.visit_below(below, &root, &mut |path, cell| {
                    found.push((path.clone(), cell.to_cell()));
                });
                let scope = [root.as_bytes(), below].concat();
                let expected = all.iter().filter(|(path, _)| path.as_bytes().starts_with(&scope));
                let mut expected: Vec<_> = expected.cloned().collect();
                expected.sort_by(|a, b| a.0.cmp(&b.0));
                found.sort_by(|a, b| a.0.cmp(&b.0));
                assert_eq!(found, expected);
            }
        }
    }
}

every_type!(scopes);
