//! The report of a merge about its decisions: the rule, the sides that stand, those overridden.

use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{
    Action, ConflictRecord, Crdt, Delta, DisableWinsFlag, Doc, EditError, EnableWinsFlag, List,
    LwwRegister, MaxRegister, MinRegister, MvRegister, OrMap, OrSet, PnCounter, Replica, Rule,
    RwSet, Side, Tree,
};

use crate::types::Lines;
use crate::world::{fresh, id};

fn told<T: Crdt>(reader: &mut Replica<T>, delta: &Delta) -> Vec<ConflictRecord> {
    let mut records = Vec::new();
    reader.apply_reporting(delta, &mut |record| records.push(record));
    records
}

fn values<T: rejoin_crdts::Atom>(sides: &[Side]) -> Vec<T> {
    sides.iter().map(|side| side.action.value().expect("a value of the type")).collect()
}

fn actions(sides: &[Side]) -> Vec<&Action> {
    sides.iter().map(|side| &side.action).collect()
}

/// The reports of two replicas that have the same past, each with an edit that the other one gets;
/// they have to be the same.
fn told_to_both<T: Crdt + Clone>(
    past: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
    here: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
    there: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
) -> Vec<String> {
    let mut a = Replica::<T>::new(fresh(1));
    a.edit(past).expect("an edit");
    let mut b = a.fork(fresh(2));
    let (first, second) = (a.edit(here).expect("an edit"), b.edit(there).expect("an edit"));
    let [at_a, at_b] = [told(&mut a, &second), told(&mut b, &first)].map(|records| {
        let mut told: Vec<String> = records.iter().map(ToString::to_string).collect();
        told.sort();
        told
    });
    assert_eq!(at_a, at_b, "both are told the same");
    assert_eq!(a.save(), b.save());
    at_a
}

#[test]
fn concurrent_writes() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<LwwRegister<String>>::new(fresh(n)));
    let first = a.edit(|note| note.set("once")).expect("an edit");
    let second = b.edit(|note| note.set("twice")).expect("an edit");
    let records = told(&mut a, &second);
    let [record] = records.as_slice() else { panic!("one decision: {records:?}") };
    assert_eq!(record.rule, Rule::LastWriterWins);
    assert_eq!(values::<String>(&record.kept), ["twice"]);
    assert_eq!(values::<String>(&record.overridden), ["once"]);
    assert_eq!((record.by.replica(), record.by.counter()), (id(2), 1));
    assert_eq!(
        record.to_string(),
        "the value: the last writer wins; kept twice by 00000002:1; overridden once by 00000001:1"
    );
    assert_eq!(told(&mut b, &first)[0].kept, record.kept, "both tell the same");
    let later = b.edit(|note| note.set("at the back")).expect("an edit");
    assert_eq!(told(&mut a, &later), [], "a later write is no conflict");
    assert_eq!(told(&mut a, &second), [], "and neither is what is known");
}

#[test]
fn an_add_that_the_remover_had_not_seen() {
    let mut a = Replica::<OrSet<String>>::new(fresh(1));
    a.edit(|set| set.insert("x")).expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = b.edit(|set| set.remove("x")).expect("an edit");
    a.edit(|set| set.insert("x")).expect("an edit");
    let records = told(&mut a, &remove);
    assert_eq!(records.iter().map(|record| record.rule).collect::<Vec<_>>(), [Rule::AddWins]);
    assert_eq!(
        records[0].to_string(),
        "x: an add beats a remove that had not seen it; kept added by 00000001:2; overridden \
         removed by 00000002:1"
    );
    let mut c = b.fork(fresh(3));
    c.merge(&a);
    let clean = c.edit(|set| set.remove("x")).expect("an edit");
    assert_eq!(told(&mut a, &clean), [], "a removal of all that is there");
}

#[test]
fn counts_at_once() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<PnCounter>::new(fresh(n)));
    let first = a.edit(|counter| counter.add(5)).expect("an edit");
    let second = b.edit(|counter| counter.add(-2)).expect("an edit");
    let records = told(&mut a, &second);
    assert_eq!(records[0].rule, Rule::EveryChangeCounts);
    assert_eq!(values::<i64>(&records[0].kept), [5, -2]);
    b.apply(&first);
    let later = b.edit(|counter| counter.add(1)).expect("an edit");
    assert_eq!(told(&mut a, &later), [], "B had seen all that A counted");
}

#[test]
fn a_reset_spares_what_it_had_not_seen() {
    let mut a = Replica::<Lines>::new(fresh(1));
    a.edit(|lines| lines.entry("k").add(2)).expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = b.edit(|lines| lines.remove("k")).expect("an edit");
    a.edit(|lines| lines.entry("k").add(3)).expect("an edit");
    let records = told(&mut a, &remove);
    assert_eq!(records[0].rule, Rule::ResetSparesUnseen);
    assert_eq!(values::<i64>(&records[0].kept), [3]);
    assert_eq!(actions(&records[0].overridden), [&Action::Removed]);
}

/// A report changes nothing.
#[test]
fn telling_is_not_doing() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<LwwRegister<u8>>::new(fresh(n)));
    a.edit(|value| value.set(1)).expect("an edit");
    let delta = b.edit(|value| value.set(2)).expect("an edit");
    let mut silent = a.fork(fresh(3));
    let mut loud = a.fork(fresh(4));
    assert_eq!(silent.apply(&delta), loud.apply_reporting(&delta, &mut |_| {}));
    assert_eq!(silent.save(), loud.save());
}

/// Registers report the rule of their kind.
#[test]
fn concurrent_writes_by_kind() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<MvRegister<u8>>::new(fresh(n)));
    a.edit(|value| value.set(1)).expect("an edit");
    let second = b.edit(|value| value.set(2)).expect("an edit");
    let records = told(&mut a, &second);
    assert_eq!(records[0].rule, Rule::EveryValueStays);
    assert_eq!((values::<u8>(&records[0].kept).len(), records[0].overridden.len()), (2, 0));

    let [mut a, mut b] = [1, 2].map(|n| Replica::<MaxRegister<u8>>::new(fresh(n)));
    a.edit(|value| value.set(7)).expect("an edit");
    let second = b.edit(|value| value.set(3)).expect("an edit");
    let records = told(&mut a, &second);
    assert_eq!(records[0].rule, Rule::GreatestWins);
    assert_eq!(values::<u8>(&records[0].kept), [7], "and not the later one");
    assert_eq!(values::<u8>(&records[0].overridden), [3]);

    let mut a = Replica::<MinRegister<u8>>::new(fresh(1));
    a.edit(|value| value.set(3)).expect("an edit");
    let mut b = a.fork(fresh(2));
    let higher = b.edit(|value| value.set(7)).expect("an edit");
    assert_eq!(told(&mut a, &higher), [], "beaten before it was made");
}

#[test]
fn a_remove_that_wins() {
    let mut a = Replica::<RwSet<String>>::new(fresh(1));
    a.edit(|set| set.insert("x")).expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = b.edit(|set| set.remove("x")).expect("an edit");
    a.edit(|set| set.insert("x")).expect("an edit");
    let records = told(&mut a, &remove);
    let [record] = records.as_slice() else { panic!("one decision: {records:?}") };
    assert_eq!(record.rule, Rule::RemoveWins);
    assert_eq!((record.kept[0].dot.replica(), record.overridden[0].dot.replica()), (id(2), id(1)));
    let mut c = a.fork(fresh(3));
    let again = c.edit(|set| set.insert("x")).expect("an edit");
    assert_eq!(told(&mut a, &again), [], "an add that has seen the remove");
}

/// Returns the changes that are overridden with an item that is gone, by the path at which they
/// were written.
fn overridden(records: &[ConflictRecord]) -> Vec<(String, Vec<Side>)> {
    let told = records.iter().map(|record| {
        assert_eq!(record.rule, Rule::RemovedIsGone, "{record}");
        assert_eq!(actions(&record.kept), [&Action::Removed], "{record}");
        (record.path.to_string(), record.overridden.clone())
    });
    told.collect()
}

/// The replica that removed an item and the one that changed and moved it get the same report.
#[test]
fn a_removed_item_that_another_one_changed_and_moved() {
    let mut a = Replica::<List<PnCounter>>::new(fresh(1));
    a.edit(|list| {
        list.push()?.add(1)?;
        list.push()?.add(2)
    })
    .expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = a.edit(|list| list.remove(1)).expect("an edit");
    let change = b
        .edit(|list| {
            list.at(1)?.add(5)?;
            list.move_to(1, 0)
        })
        .expect("an edit");
    let [at_a, at_b] = [told(&mut a, &change), told(&mut b, &remove)];
    assert_eq!(overridden(&at_a), overridden(&at_b));
    let [(_, counted), (_, moved)] = overridden(&at_a).try_into().expect("two places");
    assert_eq!((values::<i64>(&counted), moved.len()), (vec![5], 1));
    assert!([&counted, &moved].iter().all(|sides| sides[0].dot.replica() == id(2)));
    let clean = a.edit(|list| list.remove(0)).expect("an edit");
    assert_eq!(told(&mut b, &clean), [], "nobody changed it");
}

/// A folder is removed with everything below, and a cleared list takes its items along.
#[test]
fn removed_with_what_is_above() {
    let mut a = Replica::<Tree<LwwRegister<String>>>::new(fresh(1));
    let mut nodes = Vec::new();
    a.edit(|tree| {
        nodes.push(tree.create(Parent::Root)?);
        nodes.push(tree.create(Parent::Node(nodes[0]))?);
        Ok(())
    })
    .expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = a.edit(|tree| tree.remove(nodes[0])).expect("an edit");
    let change = b.edit(|tree| tree.node(nodes[1])?.set("b")).expect("an edit");
    for records in [told(&mut a, &change), told(&mut b, &remove)] {
        let [(_, sides)] = overridden(&records).try_into().expect("one place");
        assert_eq!(values::<String>(&sides), ["b"]);
    }

    let mut a = Replica::<List<LwwRegister<String>>>::new(fresh(1));
    let long = "x".repeat(200);
    a.edit(|list| (0..9).try_for_each(|_| list.push()?.set(long.as_str()))).expect("an edit");
    let mut b = a.fork(fresh(2));
    let clear = a.edit(|list| list.clear()).expect("an edit");
    assert_eq!(clear.changes().len(), 1, "by vector");
    let change = b.edit(|list| list.at(3)?.set("b")).expect("an edit");
    for records in [told(&mut a, &change), told(&mut b, &clear)] {
        let [(_, sides)] = overridden(&records).try_into().expect("one place");
        assert_eq!(values::<String>(&sides), ["b"]);
    }
    assert!(a.is_empty() && b.is_empty() && a.save() == b.save());
}

/// A list within an item that is gone: an item inserted there is reported, too.
#[test]
fn what_is_put_into_a_removed_item() {
    let mut a = Replica::<List<OrMap<String, List<PnCounter>>>>::new(fresh(1));
    a.edit(|list| list.push()?.entry("k").push()?.add(1)).expect("an edit");
    let mut b = a.fork(fresh(2));
    let remove = a.edit(|list| list.remove(0)).expect("an edit");
    let change = b.edit(|list| list.at(0)?.entry("k").push()?.add(2)).expect("an edit");
    for records in [told(&mut a, &change), told(&mut b, &remove)] {
        let sides = overridden(&records);
        assert_eq!(sides.len(), 2, "the count and its place: {records:?}");
        let counts = sides.iter().filter_map(|(_, sides)| sides[0].action.value::<i64>().ok());
        assert_eq!(counts.collect::<Vec<_>>(), [2]);
    }
    assert_eq!(a.to_value().to_string(), "[]");
    assert!(a.is_empty() && b.is_empty());
}

/// Whoever removed something is told that it is still there, like whoever changed it.
#[test]
fn a_removal_that_does_not_hold() {
    let add_wins = "an add beats a remove that had not seen it";
    let told = told_to_both::<OrSet<String>>(
        |set| set.insert("x"),
        |set| set.remove("x"),
        |set| set.insert("x"),
    );
    let kept = "kept added by 00000002:1; overridden removed by 00000001:2";
    assert_eq!(told, [format!("x: {add_wins}; {kept}")]);
    let told = told_to_both::<EnableWinsFlag>(
        |flag| flag.enable(),
        |flag| flag.disable(),
        |flag| flag.enable(),
    );
    let kept = "kept on by 00000002:1; overridden off by 00000001:2";
    assert_eq!(told, [format!("the value: {add_wins}; {kept}")]);
    let told = told_to_both::<DisableWinsFlag>(
        |flag| flag.enable(),
        |flag| flag.disable(),
        |flag| flag.enable(),
    );
    let kept = "kept off by 00000001:2; overridden on by 00000002:1";
    assert_eq!(told, [format!("the value: a remove beats an add that had not seen it; {kept}")]);
    let told = told_to_both::<OrMap<String, LwwRegister<String>>>(
        |map| map.entry("k").set("a"),
        |map| map.remove("k"),
        |map| map.entry("k").set("b"),
    );
    let kept = "kept b by 00000002:1; overridden removed by 00000001:2";
    assert_eq!(told, [format!("k: {add_wins}; {kept}")]);
    let told = told_to_both::<Lines>(
        |lines| lines.entry("k").add(2),
        |lines| lines.remove("k"),
        |lines| lines.entry("k").add(3),
    );
    let kept = "kept +3 by 00000002:1; overridden removed by 00000001:2";
    assert_eq!(told, [format!("k: a removal takes away only what it had seen; {kept}")]);
}

/// A removal of a value with parts is told whichever part somebody else changed, once for each.
#[test]
fn a_removed_key_of_which_another_part_was_changed() {
    let add_wins = "an add beats a remove that had not seen it";
    let told = told_to_both::<OrMap<String, OrSet<String>>>(
        |map| map.entry("k").insert("a"),
        |map| map.remove("k"),
        |map| map.entry("k").insert("b"),
    );
    let kept = "kept added by 00000002:1; overridden removed by 00000001:2";
    assert_eq!(told, [format!("k/b: {add_wins}; {kept}")]);
    let told = told_to_both::<OrMap<String, Lines>>(
        |map| map.entry("k").entry("a").add(1),
        |map| map.remove("k"),
        |map| {
            map.entry("k").entry("a").add(2)?;
            map.entry("k").entry("b").add(3)
        },
    );
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("k/a: a removal takes away only what it had seen; kept +2"));
    assert!(told[1].starts_with("k/b: an add beats a remove"), "{told:?}");
    let told = told_to_both::<Doc>(
        |doc| doc.at::<Doc>("k").set("a", 1),
        |doc| doc.remove("k"),
        |doc| doc.at::<Doc>("k").set("b", 2),
    );
    assert!(told.iter().any(|told| told.starts_with("k/b: an add beats")), "{told:?}");
}

/// Two people remove the same thing, or one removes what another one put beside it: no conflict.
#[test]
fn removals_that_hold() {
    let none = told_to_both::<OrSet<String>>(
        |set| set.insert("x"),
        |set| set.remove("x"),
        |set| set.remove("x"),
    );
    assert!(none.is_empty(), "{none:?}");
    let none = told_to_both::<OrSet<String>>(
        |set| set.insert("x"),
        |set| set.remove("x"),
        |set| set.insert("y"),
    );
    assert!(none.is_empty(), "{none:?}");
    let none = told_to_both::<OrSet<String>>(
        |set| set.insert("x"),
        |set| set.remove("x").and_then(|()| set.insert("x")),
        |set| set.insert("y"),
    );
    assert!(none.is_empty(), "{none:?}");
    let mut a = Replica::<OrSet<String>>::new(fresh(1));
    a.edit(|set| set.insert("x")).expect("an edit");
    let mut b = a.fork(fresh(2));
    let removal = a.edit(|set| set.remove("x")).expect("an edit");
    b.apply(&removal);
    let again = b.edit(|set| set.insert("x")).expect("an edit");
    assert_eq!(told(&mut a, &again), [], "B had seen the removal");
}

/// The remover is told once, however often the other one went on changing what was removed.
#[test]
fn a_change_that_survives_is_told_once() {
    let mut a = Replica::<OrMap<String, LwwRegister<u8>>>::new(fresh(1));
    a.edit(|map| map.entry("k").set(0)).expect("an edit");
    let mut b = a.fork(fresh(2));
    a.edit(|map| map.remove("k")).expect("an edit");
    let deltas: Vec<Delta> =
        (1..4).map(|n| b.edit(|map| map.entry("k").set(n)).expect("an edit")).collect();
    let told: Vec<_> = deltas.iter().flat_map(|delta| told(&mut a, delta)).collect();
    let [record] = told.as_slice() else { panic!("one decision: {told:?}") };
    assert_eq!(values::<u8>(&record.kept), [1]);
    assert_eq!((record.by.replica(), record.stamp), (id(2), deltas[0].stamp()));
}

/// Two people move an item of a list: one of the places stands.
#[test]
fn an_item_that_two_moved() {
    let told = told_to_both::<List<LwwRegister<u8>>>(
        |list| (0..3).try_for_each(|n| list.push()?.set(n)),
        |list| list.move_to(0, 2),
        |list| list.move_to(0, 1),
    );
    let [told] = told.as_slice() else { panic!("one decision: {told:?}") };
    let rest = "the last writer wins; kept moved by 00000002:1; overridden moved by 00000001:7";
    assert!(told.ends_with(rest), "{told}");
    let none = told_to_both::<List<LwwRegister<u8>>>(
        |list| (0..3).try_for_each(|n| list.push()?.set(n)),
        |list| list.move_to(0, 2),
        |list| list.move_to(1, 0),
    );
    assert!(none.is_empty(), "two items: {none:?}");
}

/// Two people move a folder, or two folders into each other, or one removes the folder into which
/// the other one moves something.
#[test]
fn folders_that_two_moved() {
    type Folders = Tree<LwwRegister<u8>>;
    let mut a = Replica::<Folders>::new(fresh(1));
    let mut nodes = Vec::new();
    a.edit(|tree| (0..4).try_for_each(|_| tree.create(Parent::Root).map(|id| nodes.push(id))))
        .expect("an edit");
    let node = |at: usize| Parent::Node(nodes[at]);
    type Edit<'e> = &'e dyn Fn(
        &mut rejoin_crdts::ordered::TreeEditor<'_, LwwRegister<u8>>,
    ) -> Result<(), EditError>;
    let both = |here: Edit<'_>, there: Edit<'_>| {
        let mut b = a.fork(fresh(2));
        let mut a = a.fork(fresh(3));
        let (first, second) = (a.edit(here).expect("an edit"), b.edit(there).expect("an edit"));
        let at_a = told(&mut a, &second);
        let at_b = told(&mut b, &first);
        let shown = |records: &[ConflictRecord]| {
            records.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(&at_a), shown(&at_b));
        at_a
    };
    let of_one =
        both(&|tree| tree.move_to(nodes[0], node(1)), &|tree| tree.move_to(nodes[0], node(2)));
    let [record] = of_one.as_slice() else { panic!("one decision: {of_one:?}") };
    assert_eq!(record.rule, Rule::HighestMoveWins);
    assert_eq!(actions(&record.kept), [&Action::Moved]);
    assert_eq!(actions(&record.overridden), [&Action::Moved]);
    let circle =
        both(&|tree| tree.move_to(nodes[0], node(1)), &|tree| tree.move_to(nodes[1], node(0)));
    let [record] = circle.as_slice() else { panic!("one decision: {circle:?}") };
    assert_eq!(record.rule, Rule::NoCycles);
    assert_eq!((record.kept.len(), record.overridden.len()), (1, 1));
    let lost = both(&|tree| tree.move_to(nodes[0], node(1)), &|tree| tree.remove(nodes[1]));
    let [record] = lost.as_slice() else { panic!("one decision: {lost:?}") };
    assert_eq!(record.rule, Rule::RemovedIsGone);
    assert_eq!(actions(&record.kept), [&Action::Removed]);
    assert_eq!(actions(&record.overridden), [&Action::Moved]);
    let none =
        both(&|tree| tree.move_to(nodes[0], node(1)), &|tree| tree.move_to(nodes[2], node(3)));
    assert!(none.is_empty(), "{none:?}");
}

/// Who goes on under a new id knows what it knew before, and after a whole state was merged nobody
/// knows who knew what: neither is told as a conflict.
#[test]
fn what_was_known_is_no_conflict() {
    let mut a = Replica::<OrSet<String>>::new(fresh(1));
    let added = a.edit(|set| set.insert("x")).expect("an edit");
    let removed = a.edit(|set| set.remove("x")).expect("an edit");
    let mut b = Replica::<OrSet<String>>::new(fresh(2));
    b.apply(&added);
    b.apply(&removed);
    let other = b.edit(|set| set.insert("y")).expect("an edit");
    assert_eq!(told(&mut a, &other), []);
    let mut later = b.fork(fresh(3));
    let again = later.edit(|set| set.insert("x")).expect("an edit");
    assert_eq!(told(&mut a, &again), [], "it knew what B knew");

    let mut c = Replica::<OrSet<String>>::new(fresh(4));
    let added = c.edit(|set| set.insert("x")).expect("an edit");
    let removed = c.edit(|set| set.remove("x")).expect("an edit");
    let mut d = Replica::<OrSet<String>>::new(fresh(5));
    d.apply(&added);
    d.apply(&removed);
    d.edit(|set| set.insert("y")).expect("an edit");
    c.merge(&d);
    let again = d.edit(|set| set.insert("x")).expect("an edit");
    assert_eq!(told(&mut c, &again), [], "it has seen the removal");
}
