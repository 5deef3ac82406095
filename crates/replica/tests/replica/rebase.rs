//! Entries that only a restored store had are rewritten under another id, and read as before.

use rejoin::prelude::*;
use rejoin_crdts::EditError;

use crate::identity::sync;
use crate::medium::Medium;

#[derive(Crdt, Default, Debug)]
pub(crate) struct Everything {
    lines: OrMap<String, PnCounter>,
    tags: OrSet<String>,
    banned: RwSet<String>,
    note: LwwRegister<String>,
    best: MaxRegister<i64>,
    paid: EnableWinsFlag,
    steps: List<LwwRegister<String>>,
    outline: Tree<LwwRegister<String>>,
    seats: BoundedCounter,
}

pub(crate) type Things = Space<Everything>;
type Editor<'a> = <Everything as rejoin_crdts::Crdt>::Editor<'a>;

pub(crate) fn edit(things: &Things, change: impl FnOnce(&mut Editor<'_>) -> Result<(), EditError>) {
    things.transact(|tx| change(&mut tx.object("thing"))).expect("a transaction");
}

/// Makes the state with which both branches begin.
pub(crate) fn begin(things: &Things) {
    edit(things, |thing| {
        thing.lines().entry("apples").add(5)?;
        thing.lines().entry("pears").add(5)?;
        thing.lines().entry("figs").add(5)?;
        thing.lines().entry("plums").add(5)?;
        thing.tags().insert("fragile")?;
        thing.tags().insert("cold")?;
        thing.banned().insert("x")?;
        thing.note().set("first")?;
        thing.best().set(3)?;
        thing.seats().add(10)?;
        thing.steps().push()?.set("one")?;
        thing.steps().push()?.set("two")
    });
    edit(things, |thing| {
        let root = thing.outline().create(Parent::Root)?;
        thing.outline().node(root)?.set("root")
    });
}

/// Writes the branch: it continues the common state, ends some of it, and builds on itself.
pub(crate) fn go_on(things: &Things) {
    edit(things, |thing| {
        thing.lines().entry("apples").add(2)?;
        thing.lines().entry("apples").add(-1)?;
        thing.lines().remove("pears")?;
        thing.tags().remove("cold")?;
        thing.tags().insert("new")
    });
    edit(things, |thing| {
        thing.lines().entry("pears").add(7)?;
        thing.lines().entry("figs").add(1)?;
        thing.lines().remove("figs")?;
        thing.lines().entry("figs").add(4)?;
        thing.lines().entry("plums").add(1)?;
        thing.lines().remove_unless_edited("plums")?;
        thing.tags().remove("new")?;
        thing.tags().insert("newer")?;
        thing.banned().remove("x")?;
        thing.note().set("second")?;
        thing.best().set(9)?;
        thing.seats().spend(7)?;
        thing.paid().enable()
    });
    edit(things, |thing| {
        thing.steps().push()?.set("three")?;
        thing.steps().insert(1)?.set("between")?;
        thing.steps().move_to(3, 0)?;
        thing.steps().at(1)?.set("one again")?;
        thing.steps().remove(3)?;
        thing.steps().push()?.set("four")?;
        thing.steps().remove_unless_edited(3)
    });
    edit(things, |thing| {
        let parent = thing.outline().create(Parent::Root)?;
        thing.outline().node(parent)?.set("parent")?;
        let child = thing.outline().create(Parent::Node(parent))?;
        thing.outline().node(child)?.set("child")?;
        thing.outline().move_to(child, Parent::Root)?;
        thing.outline().remove_unless_edited(child)
    });
}

/// Returns everything that can be read, without the dots.
pub(crate) fn read(things: &Things) -> Vec<String> {
    let thing = things.object("thing");
    let lines = thing.lines();
    let line = |key: &String| (key.clone(), lines.at(key).value().expect("readable"));
    let keys: Vec<_> = lines.keys().expect("readable").iter().map(line).collect();
    let (list, tree) = (thing.steps(), thing.outline());
    let steps = list.items().expect("readable");
    let steps: Vec<_> = steps.iter().map(|(_, step)| step.get().expect("readable")).collect();
    let outline = tree.outline().expect("readable");
    let text = |node| {
        let node = tree.get(node).expect("readable");
        node.and_then(|node| node.get().expect("readable"))
    };
    let mut nodes: Vec<_> = outline
        .iter()
        .map(|(node, parent)| match parent {
            Parent::Node(above) => (text(node), text(above)),
            _ => (text(node), None),
        })
        .collect();
    nodes.sort();
    vec![
        format!("{keys:?}"),
        format!("{:?}", thing.tags().items()),
        format!("{:?}", thing.banned().items()),
        format!("{:?} {:?}", thing.note().get(), thing.note().concurrent()),
        format!("{:?} {:?}", thing.best().get(), thing.paid().is_enabled()),
        format!("{steps:?}"),
        seats(&thing.seats()),
        format!("{nodes:?}"),
    ]
}

/// Returns the value that is left, and the total of the rights to it.
fn seats(seats: &rejoin_crdts::counter::BoundedCounterReader<'_>) -> String {
    let holders = seats.holders().expect("readable");
    format!("{:?} {}", seats.value(), holders.iter().map(|&(_, held)| held).sum::<u64>())
}

/// No reader can see that the branch has other dots now, and all read the same.
#[test]
fn a_branch_written_anew_reads_as_before() {
    let medium = Medium::new();
    let d = medium.open();
    let here: Things = d.create_space("things").expect("a first space");
    begin(&here);
    let copy = medium.after_power_loss().open();
    let restored: Things = copy.open_space("things").expect("the space");
    let peer = Medium::new().open();
    let there: Things = peer.join_space("things", here.ticket()).expect("joined");
    for _ in 0..40 {
        here.transact(|tx| tx.object("other").lines().entry("x").add(1)).expect("a transaction");
    }
    sync(&here.link(), &there.link());
    go_on(&restored);
    let before = read(&restored);
    let old = copy.replica_id();
    for _ in 0..3 {
        sync(&restored.link(), &there.link());
    }
    assert_ne!(copy.replica_id(), old);
    assert_eq!(read(&restored), before);
    assert_eq!(read(&there), before);
    assert_eq!(restored.digest(), there.digest());
    assert_eq!(restored.object("other").lines().at("x").value(), Ok(40));
    assert_eq!(restored.stats().expect("readable").waiting, 0);
}

/// Rights are not rewritten: seats sold on the branch stay sold, and the new id holds no rights. A
/// store that reclaims those of its former id gets what is left of them.
#[test]
fn a_branch_written_anew_sells_nothing_twice() {
    let medium = Medium::new();
    let d = medium.open();
    let here: Space<BoundedCounter> = d.create_space("seats").expect("a first space");
    here.transact(|tx| tx.object("tonight").add(10)).expect("a transaction");
    here.transact(|tx| tx.object("tonight").spend(2)).expect("a transaction");
    let copy = medium.after_power_loss().open();
    let restored: Space<BoundedCounter> = copy.open_space("seats").expect("the space");
    let peer = Medium::new().open();
    let there: Space<BoundedCounter> = peer.join_space("seats", here.ticket()).expect("joined");
    here.transact(|tx| tx.object("tonight").spend(1)).expect("a transaction");
    sync(&here.link(), &there.link());
    restored.transact(|tx| tx.object("tonight").spend(3)).expect("a transaction");
    for _ in 0..3 {
        sync(&restored.link(), &there.link());
    }
    let id = copy.replica_id().expect("trusted");
    for seats in [&restored, &there] {
        assert_eq!(seats.object("tonight").value(), Ok(4), "10 less 2, 1 and 3");
        assert_eq!(seats.object("tonight").rights_of(id), Ok(0));
    }
    let refused = restored.transact(|tx| tx.object("tonight").spend(1)).map(|_| ());
    let Err(StoreError::Edit(EditError::NotEnoughRights { former, holders, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(holders, [(former[0], 4)], "the branch spent what the former id has no more");
    let retired = RetiredIds::assume_retired(former);
    let all = restored.transact(|tx| tx.object("tonight").reclaim(&retired));
    assert_eq!(all.expect("a transaction").value, 4);
    restored.transact(|tx| tx.object("tonight").spend(4)).expect("a transaction");
    sync(&restored.link(), &there.link());
    assert_eq!(there.object("tonight").value(), Ok(0));
}

/// A write of the branch has replaced one of the branch, and not what stands under that dot now:
/// the other copy's price is another sibling, which nobody has seen.
#[test]
fn a_branch_written_anew_has_seen_nothing_else() {
    let medium = Medium::new();
    let here: Space<Siblings<u64>> = medium.open().create_space("prices").expect("a first space");
    let set = |space: &Space<Siblings<u64>>, price: u64| {
        space.transact(|tx| tx.object("tent").set(price)).expect("a transaction");
    };
    set(&here, 1);
    let restored: Space<Siblings<u64>> =
        medium.after_power_loss().open().open_space("prices").expect("the space");
    set(&here, 2);
    let peer = Medium::new().open();
    let there: Space<Siblings<u64>> = peer.join_space("prices", here.ticket()).expect("joined");
    sync(&here.link(), &there.link());
    set(&restored, 3);
    set(&restored, 4);
    for _ in 0..3 {
        sync(&restored.link(), &there.link());
    }
    there.set_policy(&"tent".parse().expect("a pattern"), &Policy::VersionVector).expect("set");
    let tent = there.object("tent");
    assert_eq!(tent.values(), Ok(vec![2, 4]));
    assert_eq!(tent.resolved().expect("an answer").values.len(), 2, "neither has seen the other");
    let all = tent.all().expect("readable");
    let [two, four] = [2, 4].map(|price| all.iter().find(|it| it.value == price).expect("there"));
    assert_eq!(four.base, two.base, "both were made of the first price");
    let [replaced] = four.replaced[..] else { panic!("{four:?}") };
    assert_eq!(replaced.replica(), four.author(), "the price of 3");
}

/// Makes one change, chosen by a number.
fn change(thing: &mut Editor<'_>, choice: u8) -> Result<(), EditError> {
    let key = ["a", "b"][usize::from(choice / 16 % 2)];
    let index = usize::from(choice / 32);
    match choice % 16 {
        0..=2 => thing.lines().entry(key).add(i64::from(choice) - 100),
        3 => thing.lines().remove(key),
        4 => thing.lines().clear(),
        5 => thing.tags().insert(key),
        6 => thing.tags().remove(key),
        7 => thing.banned().insert(key),
        8 => thing.banned().remove(key),
        9 => thing.note().set(key),
        10 if index < 2 => thing.seats().add(u64::from(choice)),
        10 if index < 6 => match thing.seats().spend(u64::from(choice) / 3) {
            Err(EditError::NotEnoughRights { .. }) => Ok(()),
            done => done,
        },
        10 => thing.best().set(i64::from(choice)),
        11 => match thing.paid().enable() {
            Ok(()) if index > 4 => thing.paid().disable(),
            done => done,
        },
        12 => thing.steps().push()?.set(key),
        13 => match thing.steps().len()? {
            0 => thing.steps().insert(0)?.set("only"),
            len if index < 4 => thing.steps().move_to(index % len, len - 1),
            len => thing.steps().remove(index % len),
        },
        _ => {
            let nodes: Vec<_> = thing.outline().outline()?.iter().map(|(node, _)| node).collect();
            match nodes.get(index) {
                Some(&node) if choice.is_multiple_of(2) => thing.outline().remove(node),
                above => {
                    let parent = above.map_or(Parent::Root, |&node| Parent::Node(node));
                    let node = thing.outline().create(parent)?;
                    thing.outline().node(node)?.set(key)
                }
            }
        }
    }
}

/// Makes changes, three per transaction.
pub(crate) fn run(things: &Things, choices: &[u8]) {
    for choices in choices.chunks(3) {
        edit(things, |thing| choices.iter().try_for_each(|&at| change(thing, at)));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever the branch did, it reads as before, at the store and at its peer.
    #[test]
    fn any_branch_written_anew_reads_as_before(
        before in proptest::collection::vec(0u8..=255, 1..20),
        branch in proptest::collection::vec(0u8..=255, 1..20),
    ) {
        let medium = Medium::new();
        let here: Things = medium.open().create_space("things").expect("a first space");
        run(&here, &before);
        let copy = medium.after_power_loss().open();
        let restored: Things = copy.open_space("things").expect("the space");
        here.transact(|tx| tx.object("other").tags().insert("x")).expect("a transaction");
        let peer = Medium::new().open();
        let there: Things = peer.join_space("things", here.ticket()).expect("joined");
        sync(&here.link(), &there.link());
        run(&restored, &branch);
        let reads = read(&restored);
        for _ in 0..3 {
            sync(&restored.link(), &there.link());
        }
        proptest::prop_assert_eq!(read(&restored), reads.clone());
        proptest::prop_assert_eq!(read(&there), reads);
        proptest::prop_assert_eq!(restored.digest(), there.digest());
    }
}
