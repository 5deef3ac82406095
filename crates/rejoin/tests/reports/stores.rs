//! Reports about stores: what syncs, when, how often, and under which version.

use rejoin::prelude::{Crdt, LwwRegister, Once, OrMap, PnCounter, Removal, Space, Store};
use rejoin::replica::message::Frames;

use crate::Outcome;

type Counts = OrMap<String, PnCounter>;

/// One of three writes while it is cut off; the server in the middle is restarted meanwhile.
#[test]
fn what_was_written_offline_reaches_the_others_through_a_server_that_restarted() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("server.rejoin");
    let server = Store::open(&path)?;
    let shared = server.create_space::<Counts>("room")?;
    let (anna, ben) = (Store::memory()?, Store::memory()?);
    let annas = anna.join_space::<Counts>("room", shared.ticket())?;
    let bens = ben.join_space::<Counts>("room", shared.ticket())?;
    let add = |space: &Space<Counts>, who: &str| {
        space.transact(|tx| tx.object("page").entry(who).add(1)).map(drop)
    };
    add(&annas, "anna")?;
    annas.link().meet(&shared.link())?;
    add(&annas, "anna")?;
    add(&bens, "ben")?;
    bens.link().meet(&shared.link())?;
    server.close()?;
    drop((shared, server));
    let server = Store::open(&path)?;
    let shared = server.open_space::<Counts>("room")?;
    annas.link().meet(&shared.link())?;
    bens.link().meet(&shared.link())?;
    for space in [&annas, &bens, &shared] {
        let page = space.object("page");
        assert_eq!((page.at("anna").value()?, page.at("ben").value()?), (2, 1));
    }
    Ok(())
}

/// A table is dropped on both sides, made again, and used.
#[test]
fn a_space_that_was_dropped_is_made_again_and_syncs() -> Outcome {
    let (one, other) = (Store::memory()?, Store::memory()?);
    let ours = one.create_space::<Counts>("parts")?;
    let theirs = other.join_space::<Counts>("parts", ours.ticket())?;
    ours.transact(|tx| tx.object("a").entry("screws").add(5))?;
    ours.link().meet(&theirs.link())?;
    one.remove_space("parts", Removal::Anyway)?;
    other.remove_space("parts", Removal::Anyway)?;
    assert!(ours.keys().is_err(), "a handle of what is gone says so");
    let ours = one.create_space::<Counts>("parts")?;
    let theirs = other.join_space::<Counts>("parts", ours.ticket())?;
    assert!(theirs.keys()?.is_empty(), "nothing of the old one comes up");
    ours.transact(|tx| tx.object("a").entry("nails").add(7))?;
    ours.link().meet(&theirs.link())?;
    assert_eq!(theirs.object("a").at("nails").value()?, 7);
    assert_eq!(theirs.object("a").at("screws").value()?, 0);
    Ok(())
}

/// An order is sent, the app is closed before it hears the answer, and sends it again.
#[test]
fn an_order_that_is_sent_again_after_a_restart_is_done_once() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("shop.rejoin");
    let order = |store: &Store| {
        let shop = match store.open_space::<Counts>("shop") {
            Ok(shop) => shop,
            Err(_) => store.create_space::<Counts>("shop")?,
        };
        let once =
            shop.transact_once(b"order 17", |tx| tx.object("shelf").entry("lamps").add(-1))?;
        Ok::<_, rejoin::StoreError>((matches!(once, Once::First(_)), shop))
    };
    let store = Store::open(&path)?;
    let (first, shop) = order(&store)?;
    assert!(first);
    assert!(!order(&store)?.0);
    drop((shop, store));
    let store = Store::open(&path)?;
    let (again, shop) = order(&store)?;
    assert!(!again, "the key is known after a restart");
    assert_eq!(shop.object("shelf").at("lamps").value()?, -1);
    Ok(())
}

#[derive(Crdt, Default)]
struct Before {
    name: LwwRegister<String>,
}

#[derive(Crdt, Default)]
struct After {
    name: LwwRegister<String>,
    visits: PnCounter,
}

/// A device misses an update of the app and of everybody else's data, is updated offline, and opens
/// its store with the new types before it meets anybody.
#[test]
fn a_store_opens_offline_with_a_newer_type() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("device.rejoin");
    let store = Store::open(&path)?;
    let old = store.create_space::<Before>("people")?;
    old.transact(|tx| tx.object("ann").name().set("Ann"))?;
    let elsewhere = Store::memory()?;
    let newer = elsewhere.join_space::<After>("people", old.ticket())?;
    old.link().meet(&newer.link())?;
    newer.transact(|tx| tx.object("ann").visits().add(4))?;
    drop((old, store));

    let store = Store::open(&path)?;
    let updated = store.open_space::<After>("people")?;
    assert_eq!(updated.object("ann").name().get()?.as_deref(), Some("Ann"));
    updated.transact(|tx| tx.object("ann").visits().add(1))?;
    updated.link().meet(&newer.link())?;
    assert_eq!(updated.object("ann").visits().value()?, 5);
    assert_eq!(updated.digest()?, newer.digest()?);
    Ok(())
}

/// A device with an old app comes online with what it wrote offline, after the others have gone
/// on to a newer type: nobody's data are reset.
#[test]
fn an_old_app_that_comes_online_late_loses_nothing() -> Outcome {
    let (late, server) = (Store::memory()?, Store::memory()?);
    let new = server.create_space::<After>("people")?;
    let old = late.join_space::<Before>("people", new.ticket())?;
    old.transact(|tx| tx.object("bob").name().set("Bob"))?;
    new.transact(|tx| tx.object("bob").visits().add(2))?;
    old.link().meet(&new.link())?;
    assert_eq!(new.object("bob").name().get()?.as_deref(), Some("Bob"));
    assert_eq!(old.digest()?, new.digest()?, "what the old app cannot show is kept");
    old.transact(|tx| tx.object("bob").name().set("Robert"))?;
    old.link().meet(&new.link())?;
    assert_eq!(new.object("bob").visits().value()?, 2);
    Ok(())
}

/// A first sync of a large space over a line that breaks after each frame: every attempt goes on
/// where the one before ended.
#[test]
fn a_first_sync_over_a_line_that_keeps_breaking_ends() -> Outcome {
    let (server, phone) = (Store::memory()?, Store::memory()?);
    let whole = server.create_space::<Counts>("archive")?;
    for n in 0..3_000 {
        let key = format!("document {n}");
        whole.transact(|tx| tx.object(&key).entry("pages").add(n))?;
    }
    let copy = phone.join_space::<Counts>("archive", whole.ticket())?;
    let mut attempts = 0;
    while copy.digest()? != whole.digest()? {
        attempts += 1;
        assert!(attempts < 100, "no attempt gets further than the one before");
        let (from, to) = (whole.link(), copy.link());
        let (sender, receiver) = (from.open()?, to.open()?);
        let (mut up, mut down) = (Frames::default(), Frames::default());
        let mut heavy = 0;
        while heavy == 0 {
            let asked = to.transmit(receiver)?;
            asked.iter().for_each(|frame| up.push(frame));
            from.handle(sender, &mut up)?;
            let sent = from.transmit(sender)?;
            if asked.is_none() && sent.is_none() {
                break;
            }
            // The line breaks behind the first frame that carries documents.
            if let Some(frame) = sent {
                heavy += usize::from(frame.len() > 1_000);
                down.push(&frame);
                to.handle(receiver, &mut down)?;
            }
        }
        from.close(sender);
        to.close(receiver);
    }
    assert!(attempts > 1, "one frame would be all of it");
    Ok(())
}

/// Copies that are equal have nothing to say: a sync goes on for no longer than there is news.
#[test]
fn a_sync_of_equal_copies_ends() -> Outcome {
    let (one, other) = (Store::memory()?, Store::memory()?);
    let ours = one.create_space::<Counts>("notes")?;
    let theirs = other.join_space::<Counts>("notes", ours.ticket())?;
    for n in 0..500 {
        let key = format!("note {n}");
        ours.transact(|tx| tx.object(&key).entry("words").add(n))?;
    }
    ours.link().meet(&theirs.link())?;
    let (before, log) = (theirs.digest()?, theirs.stats()?);
    for _ in 0..3 {
        ours.link().meet(&theirs.link())?;
    }
    assert_eq!((theirs.digest()?, ours.digest()?), (before, before));
    assert_eq!(format!("{:?}", theirs.stats()?), format!("{log:?}"), "nothing was written again");
    Ok(())
}
