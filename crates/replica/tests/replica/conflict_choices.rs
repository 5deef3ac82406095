//! Settling conflicts, and what a conflict log survives.

use std::sync::Arc;

use rejoin::prelude::*;
use rejoin_crdts::{Dot, Path, Rule};
use rejoin_replica::ops::Depth;
use rejoin_replica::{CannotResolve, Choice, Config, Conflict, Origin, Strategy};

use crate::identity::sync;
use crate::medium::{Medium, Trouble};
use crate::verification::go_on;

#[derive(Crdt)]
struct Product {
    price: Siblings<u64>,
    note: LwwRegister<String>,
    best: MaxRegister<u64>,
    tags: OrSet<String>,
    bans: RwSet<String>,
    on_sale: EnableWinsFlag,
    lines: OrMap<String, PnCounter>,
}

type Products = Space<Product>;

/// Two stores with one space, which have met.
fn two() -> ([Store; 2], [Products; 2]) {
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let spaces = shared(&stores);
    (stores, spaces)
}

fn shared(stores: &[Store; 2]) -> [Products; 2] {
    let here: Products = stores[0].create_space("products").expect("a first space");
    let there = stores[1].join_space("products", here.ticket()).expect("joined");
    [here, there]
}

fn meet([here, there]: &[Products; 2]) {
    sync(&here.link(), &there.link());
}

fn note(space: &Products, text: &str) {
    space.transact(|tx| tx.object("tent").note().set(text)).expect("a transaction");
}

fn shown(space: &Products) -> Option<String> {
    space.object("tent").note().get().expect("readable")
}

fn only(space: &Products) -> Conflict {
    let mut page = space.conflicts().page(10).expect("a page");
    assert_eq!(page.len(), 1, "{page:?}");
    page.remove(0)
}

fn refused(space: &Products, conflict: &Conflict, choice: &Choice) -> CannotResolve {
    let before = space.version_vector();
    match space.resolve(conflict, choice) {
        Err(StoreError::CannotResolve(reason)) => {
            assert_eq!(space.version_vector(), before);
            assert!(!reason.to_string().is_empty());
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_overridden_can_stand_again() {
    let (_stores, spaces) = two();
    note(&spaces[0], "ring once");
    let label = |tx: &mut rejoin::replica::Transaction<'_, Product>| {
        tx.author("Ben")?;
        tx.describe("the bell is broken")?;
        tx.object("tent").note().set("knock")
    };
    spaces[1].transact(label).expect("a transaction");
    meet(&spaces);
    let conflict = only(&spaces[0]);
    assert_eq!((conflict.strategy(), conflict.rule), (Strategy::Lww, Rule::LastWriterWins));
    // Which of the two won depends on the clock and the ids.
    let by_ben = |version: &&rejoin::replica::Version| {
        version.origin.as_ref().is_some_and(|origin| origin.author.is_some())
    };
    let bens = conflict.versions().find(by_ben).expect("Ben's");
    let Some(Origin { author, message, deps, .. }) = &bens.origin else { panic!("{conflict}") };
    assert_eq!((author.as_deref(), message.as_deref()), (Some("Ben"), Some("the bell is broken")));
    assert!(deps.is_empty() && conflict.to_string().contains("knock by Ben"), "{conflict}");

    let lost = &conflict.overridden[0];
    let text: String = lost.action.value().expect("a text");
    spaces[0].resolve(&conflict, &Choice::version(lost.dot).author("Mira")).expect("resolved");
    meet(&spaces);
    for space in &spaces {
        assert_eq!(shown(space).as_deref(), Some(&*text));
        let settled = only(space).settled.expect("settled");
        assert_eq!(settled.to_string(), format!("{text} by Mira"));
        assert!(space.conflicts().open().page(10).expect("a page").is_empty());
    }
    // Whoever has seen the decision may take another one.
    let seen = only(&spaces[1]);
    spaces[1].resolve(&seen, &Choice::value(&"wave".to_owned())).expect("resolved");
    assert_eq!(shown(&spaces[1]).as_deref(), Some("wave"));
}

#[test]
fn what_was_written_since_stays_unless_told_otherwise() {
    let (_stores, spaces) = two();
    note(&spaces[0], "ring once");
    note(&spaces[1], "ring twice");
    meet(&spaces);
    let conflict = only(&spaces[0]);
    note(&spaces[0], "knock");
    let choice = Choice::version(conflict.overridden[0].dot);
    let reason = refused(&spaces[0], &conflict, &choice);
    assert!(matches!(reason, CannotResolve::ChangedSince { now } if now.len() == 1));
    assert_eq!(shown(&spaces[0]).as_deref(), Some("knock"));
    spaces[0].resolve(&conflict, &choice.clone().even_if_changed()).expect("resolved");
    assert_ne!(shown(&spaces[0]).as_deref(), Some("knock"));
    // What is gone is not put back without a word either.
    spaces[1].transact(|tx| tx.object("tent").note().clear()).expect("a transaction");
    let reason = refused(&spaces[1], &only(&spaces[1]), &choice);
    assert_eq!(reason, CannotResolve::ChangedSince { now: Vec::new() });
    spaces[1].resolve(&conflict, &choice.even_if_changed()).expect("resolved");
}

#[test]
fn a_sum_that_both_write_down_counts_once() {
    let (_stores, spaces) = two();
    spaces[0].set_policy(&"*/price".parse().unwrap(), &Policy::Sum).expect("a policy");
    meet(&spaces);
    for (space, price) in spaces.iter().zip([300_u64, 250]) {
        space.transact(|tx| tx.object("tent").price().set(price)).expect("a transaction");
    }
    meet(&spaces);
    let by_sum = spaces[1].conflicts().by_policy(&Policy::Sum).page(10).expect("a page");
    let conflict = by_sum.first().expect("told with the policy");
    assert_eq!(conflict.merged.as_ref().map(|sum| sum.to::<u64>()), Some(Ok(550)));
    assert_eq!(conflict.strategy(), Strategy::Merge);
    for space in &spaces {
        let conflict = space.conflicts().of("tent").page(1).expect("a page").remove(0);
        space.resolve(&conflict, &Choice::policy(Policy::Sum)).expect("resolved");
    }
    meet(&spaces);
    for space in &spaces {
        let price = space.object("tent").price().resolved().expect("resolved");
        assert_eq!(price.to::<u64>().expect("a price"), Some(550));
        let open = space.conflicts().open().of("tent").page(10).expect("a page");
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn a_choice_stands_under_every_rule_that_leaves_one() {
    let (_stores, spaces) = two();
    spaces[0].transact(|tx| tx.object("tent").tags().insert("new")).expect("a transaction");
    spaces[0].transact(|tx| tx.object("tent").on_sale().enable()).expect("a transaction");
    meet(&spaces);
    spaces[0]
        .transact(|tx| {
            let mut tent = tx.object("tent");
            tent.best().set(7_u64)?;
            tent.tags().remove("new")?;
            tent.bans().insert("dogs")?;
            tent.on_sale().disable()?;
            tent.lines().entry("pegs").add(2)
        })
        .expect("a transaction");
    spaces[1]
        .transact(|tx| {
            let mut tent = tx.object("tent");
            tent.best().set(9_u64)?;
            tent.tags().insert("new")?;
            tent.bans().remove("dogs")?;
            tent.on_sale().enable()?;
            tent.lines().entry("pegs").add(3)
        })
        .expect("a transaction");
    meet(&spaces);
    let space = &spaces[0];
    let all = space.conflicts().page(10).expect("a page");
    let by = |rule| all.iter().filter(move |it| it.rule == rule);
    for conflict in all.iter().filter(|it| !it.overridden.is_empty()) {
        let chosen = Choice::version(conflict.overridden[0].dot);
        space.resolve(conflict, &chosen).unwrap_or_else(|error| panic!("{conflict}: {error}"));
    }
    let tent = space.object("tent");
    assert_eq!(tent.best().get(), Ok(Some(7)));
    assert_eq!(tent.tags().contains("new"), Ok(false));
    assert_eq!(tent.bans().contains("dogs"), Ok(true));
    assert_eq!(tent.on_sale().is_enabled(), Ok(false));
    // What all counts together is no choice.
    let counted = by(Rule::EveryChangeCounts).next().expect("both counted");
    let choice = Choice::version(counted.kept[0].dot);
    assert!(matches!(refused(space, counted, &choice), CannotResolve::NoChoice { .. }));
    meet(&spaces);
    assert_eq!(spaces[0].digest(), spaces[1].digest());
    assert_eq!(spaces[1].object("tent").best().get(), Ok(Some(7)));
}

#[test]
fn what_cannot_be_chosen_has_a_name() {
    let (_stores, spaces) = two();
    note(&spaces[0], "ring once");
    note(&spaces[1], "ring twice");
    meet(&spaces);
    let (space, conflict) = (&spaces[0], only(&spaces[0]));
    let nobody = Dot::new(ReplicaId::from_u128(9), 9).expect("a dot");
    let reason = refused(space, &conflict, &Choice::version(nobody));
    assert_eq!(reason, CannotResolve::NoSuchVersion { dot: nobody });
    let reason = refused(space, &conflict, &Choice::value(&7_u64));
    assert!(matches!(reason, CannotResolve::WrongType { .. }));
    let reason = refused(space, &conflict, &Choice::policy(Policy::Sum));
    assert_eq!(reason, CannotResolve::Undecided);
    let reason = refused(space, &conflict, &Choice::policy(Policy::custom("mine", 1)));
    assert!(matches!(reason, CannotResolve::Missing(_)));
    space.resolve(&conflict, &Choice::policy(Policy::Min)).expect("resolved");

    // A page of another log.
    let elsewhere = only(&spaces[1]);
    let page = space.conflicts().after(&elsewhere).page(10);
    assert_eq!(page.err(), Some(StoreError::OtherConflictLog));
    assert_eq!(space.conflicts().after(&conflict).page(10), Ok(Vec::new()));
    // A record that a peer made is about the same versions.
    note(&spaces[1], "wave");
    let choice = Choice::version(elsewhere.kept[0].dot);
    space.resolve(&elsewhere, &choice.even_if_changed()).expect("resolved");
}

#[test]
fn a_long_value_is_read_from_the_log() {
    let (_stores, spaces) = two();
    let long = |letter: &str| letter.repeat(10_000);
    note(&spaces[0], &long("a"));
    note(&spaces[1], &long("b"));
    meet(&spaces);
    let conflict = only(&spaces[0]);
    let lost = &conflict.overridden[0];
    assert_eq!(lost.action.value::<String>().map(|text| text.len()), Ok(10_000));
    spaces[0].resolve(&conflict, &Choice::version(lost.dot)).expect("resolved");
    assert_eq!(shown(&spaces[0]), lost.action.value().ok());
}

#[test]
fn a_conflict_goes_out_as_json_and_comes_back() {
    let (_stores, spaces) = two();
    note(&spaces[0], "ring once");
    note(&spaces[1], "ring twice");
    meet(&spaces);
    let conflict = only(&spaces[0]);
    let text = serde_json::to_string(&conflict).expect("json");
    assert!(text.contains("\"ring once\"") && text.contains("LastWriterWins"), "{text}");
    assert_eq!(serde_json::from_str::<Conflict>(&text).expect("a conflict"), conflict);
}

fn on(media: &[Arc<Medium>; 2]) -> ([Store; 2], [Products; 2]) {
    let stores = media.each_ref().map(Medium::open);
    let spaces = stores.each_ref().map(|store| store.open_space("products").expect("the space"));
    (stores, spaces)
}

/// Two media with some conflicts, one of them settled.
fn with_conflicts() -> ([Arc<Medium>; 2], Vec<Conflict>) {
    let media = [(); 2].map(|()| Medium::new());
    let stores = media.each_ref().map(Medium::open);
    let spaces = shared(&stores);
    for round in 0..3 {
        note(&spaces[0], &format!("here {round}"));
        note(&spaces[1], &format!("there {round}"));
        spaces[1].transact(|tx| tx.object("rope").note().set("long")).expect("a transaction");
        meet(&spaces);
    }
    let told = spaces[0].conflicts().page(10).expect("a page");
    assert_eq!((told.len(), told.iter().filter(|it| it.is_open()).count()), (3, 1));
    spaces[0].flush().expect("durable");
    (media, told)
}

#[test]
fn a_rebuilt_state_and_entries_that_come_again_tell_nothing_twice() {
    let (media, told) = with_conflicts();
    // The state is gone, but not the conflict log.
    let rebuilt = [media[0].log_alone_but(&[9]), media[1].after_power_loss()];
    let (_stores, spaces) = on(&rebuilt);
    assert_eq!(spaces[0].conflicts().page(10), Ok(told.clone()));
    // A record of the log is lost with it, and comes again.
    let lost = [media[0].log_alone_but(&[9]), media[1].after_power_loss()];
    let last = lost[0].stored(0).last().expect("a log").0;
    for sequence in last - 1..=last {
        lost[0].damage_record(0, sequence, |bytes| bytes.truncate(bytes.len() / 2));
    }
    let (_stores, spaces) = on(&lost);
    assert_ne!(spaces[0].version_vector(), spaces[1].version_vector());
    meet(&spaces);
    assert_eq!(spaces[0].version_vector(), spaces[1].version_vector());
    let again = spaces[0].conflicts().page(10).expect("a page");
    let by = |all: &[Conflict]| all.iter().map(|it| (it.number, it.by)).collect::<Vec<_>>();
    assert_eq!(by(&again), by(&told));
}

#[test]
fn what_a_full_medium_refused_is_told_when_it_comes_again() {
    let media = [(); 2].map(|()| Medium::new());
    let stores = media.each_ref().map(Medium::open);
    let spaces = shared(&stores);
    note(&spaces[0], "ring once");
    note(&spaces[1], "ring twice");
    media[0].trouble(Trouble::Full);
    let (here, there) = (spaces[0].link(), spaces[1].link());
    drop(crate::store_sync::settle(&here, &there));
    media[0].end_trouble();
    assert_eq!(spaces[0].conflicts().page(10), Ok(Vec::new()));
    meet(&spaces);
    assert_eq!(only(&spaces[0]).number, 0);
}

#[test]
fn damage_in_the_conflict_log_is_found_and_leaves_the_rest() {
    let mut config = Config::default();
    config.conflicts = 32;
    let media = [(); 2].map(|()| Medium::new());
    let open = |medium: &Arc<Medium>| medium.open_with(config);
    let stores = media.each_ref().map(open);
    let spaces = shared(&stores);
    for round in 0..20 {
        for space in &spaces {
            let key = format!("tent {}", round % 3);
            space.transact(|tx| tx.object(&key).note().set("here")).expect("a transaction");
        }
        meet(&spaces);
    }
    spaces[0].flush().expect("durable");
    let told = spaces[0].conflicts().page(100).expect("a page");
    let of_one = |space: &Products| space.conflicts().of("tent 1").page(100).expect("a page");
    let expected = of_one(&spaces[0]);
    assert!(told.len() >= 20 && expected.len() >= 6);
    assert!(stores[0].verify(Depth::Stored, &mut go_on).expect("read").findings.is_empty());
    let numbers = |all: &[Conflict]| all.iter().map(|it| it.number).collect::<Vec<_>>();
    for table in 0..=4 {
        let broken = media[0].after_power_loss();
        let row = broken.rows().into_iter().find(|(key, _)| key.starts_with(&[9, table]));
        let (key, mut bytes) = row.expect("a row");
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        broken.put_row(&key, Some(bytes));
        let store = open(&broken);
        let found = store.verify(Depth::Stored, &mut go_on).expect("read").findings;
        assert_eq!(found.len(), 1, "table {table}: {found:?}");
        let space: Products = store.open_space("products").expect("the space");
        let left = space.conflicts().page(100).expect("a page");
        assert_eq!(left.len(), told.len() - usize::from(table == 0), "table {table}");
        if table > 0 {
            assert_eq!(numbers(&of_one(&space)), numbers(&expected), "table {table}");
        }
        let open = space.conflicts().open().page(100).expect("a page");
        let settled = space.conflicts().settled().page(100).expect("a page");
        assert_eq!(open.len() + settled.len(), left.len(), "table {table}");
        assert!(open.iter().all(Conflict::is_open) && !settled.iter().any(Conflict::is_open));
        space.transact(|tx| tx.object("tent 1").note().set("later")).expect("a transaction");
    }
    let path = Path::object("tent 1", rejoin_crdts::Kind::Map);
    let under = spaces[0].conflicts().under(&path).page(100).expect("a page");
    assert_eq!(under, expected);
}

/// More records than a segment has are read into segments again.
#[test]
fn a_damaged_segment_hides_nothing() {
    let media = [(); 2].map(|()| Medium::new());
    let stores = media.each_ref().map(Medium::open);
    let spaces = shared(&stores);
    let write = |space: &Products, number: usize| {
        let key = format!("tent {number}");
        space.transact(|tx| tx.object(&key).note().set("here")).expect("a transaction");
    };
    for number in 0..600 {
        spaces.iter().for_each(|space| write(space, number));
    }
    meet(&spaces);
    spaces[0].flush().expect("durable");
    for table in [2, 3, 4] {
        let broken = media[0].after_power_loss();
        let row = broken.rows().into_iter().find(|(key, _)| key.starts_with(&[9, table]));
        let (key, mut bytes) = row.expect("a row");
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        broken.put_row(&key, Some(bytes));
        for _ in 0..2 {
            let store = broken.open();
            let space: Products = store.open_space("products").expect("the space");
            assert_eq!(space.conflicts().page(1_000).expect("a page").len(), 600, "table {table}");
            assert_eq!(space.conflicts().of("tent 7").page(9).expect("a page").len(), 1);
            space.transact(|tx| tx.object("tent 599").note().set("later")).expect("written");
            assert!(!only_of(&space, "tent 599").is_open());
        }
    }
    // Fewer are kept from now on, or none.
    for most in [100, 1, 0] {
        let mut config = Config::default();
        config.conflicts = most;
        let medium = media[0].after_power_loss();
        let space: Products = medium.open_with(config).open_space("products").expect("the space");
        let kept = space.conflicts().page(1_000).expect("a page").len();
        assert!(kept <= most && (most < 100 || kept > 0), "{most}: {kept}");
    }
}

fn only_of(space: &Products, key: &str) -> Conflict {
    space.conflicts().of(key).page(2).expect("a page").remove(0)
}

/// What somebody has changed in a record does not get past the space's type.
#[test]
fn a_changed_record_writes_nothing_of_another_type() {
    let (_stores, spaces) = two();
    note(&spaces[0], "ring once");
    note(&spaces[1], "ring twice");
    meet(&spaces);
    let conflict = only(&spaces[0]);
    let text = serde_json::to_string(&conflict).expect("json");
    for (from, to) in [
        (r#"["note","LwwRegister"]"#, r#"["note","MvRegister"]"#),
        (r#"["note","LwwRegister"]"#, r#"["nothing","LwwRegister"]"#),
        (r#"["tent","Map"]"#, r#"[7,"Map"]"#),
        (r#"["tent","Map"]"#, r#"["tent","List"]"#),
    ] {
        assert!(text.contains(from), "{text}");
        let Ok(changed) = serde_json::from_str::<Conflict>(&text.replace(from, to)) else {
            continue;
        };
        let choice = Choice::version(changed.kept[0].dot).even_if_changed();
        let reason = refused(&spaces[0], &changed, &choice);
        assert!(matches!(reason, CannotResolve::WrongType { .. }), "{to}: {reason}");
    }
}
