//! Two histories under one id: found by their heads, judged by their owner, frozen by others.

use std::sync::Arc;

use rejoin_crdts::ReplicaId;
use rejoin_replica::message::Message;
use rejoin_replica::{Event, Fork, Keep, Once, Reincarnated, Space, Store};

use crate::identity::{sync, sync_while};
use crate::medium::Medium;
use crate::pipes::{Cart, Net, Peer, add as add_to, greeted, id};

type Carts = Space<Cart>;

fn add(carts: &Carts, line: &str, amount: i64) -> rejoin_replica::Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(amount)).expect("a transaction").receipt
}

/// Runs `times` transactions.
fn write(carts: &Carts, line: &str, times: u64) {
    (0..times).for_each(|_| _ = add(carts, line, 1));
}

fn line(carts: &Carts, line: &str) -> i64 {
    carts.object("alice").at(line).value().expect("readable")
}

/// A store on a medium that is trusted whatever was done to it.
struct Site {
    medium: Arc<Medium>,
    store: Store,
    carts: Carts,
}

impl Site {
    fn first() -> Self {
        let medium = Medium::new();
        let store = medium.open();
        let carts = store.create_space("carts").expect("a first space");
        Self { medium, store, carts }
    }

    fn joined(other: &Self) -> Self {
        let medium = Medium::new();
        let store = medium.open();
        let carts = store.join_space("carts", other.carts.ticket()).expect("joined");
        Self { medium, store, carts }
    }

    /// Makes a copy under the same id, which no witness notices.
    fn copy(&self) -> Self {
        let medium = self.medium.after_power_loss();
        let store = medium.open();
        assert_eq!(store.replica_id(), self.store.replica_id());
        let carts = store.open_space("carts").expect("the space");
        Self { medium, store, carts }
    }

    fn id(&self) -> ReplicaId {
        self.store.replica_id().expect("trusted")
    }

    fn sync(&self, other: &Self) {
        (0..3).for_each(|_| sync(&self.carts.link(), &other.carts.link()));
    }

    fn reports(&self) -> Vec<Event> {
        self.carts.take_reports().expect("readable")
    }

    fn line(&self, name: &str) -> i64 {
        line(&self.carts, name)
    }

    /// Opens the same store again, from its log.
    fn reopened(&self) -> Self {
        self.copy()
    }
}

fn reincarnated(reports: &[Event]) -> Vec<Reincarnated> {
    let reincarnated = reports.iter().filter_map(|event| match event {
        Event::Reincarnated(reincarnated) => Some(*reincarnated),
        _ => None,
    });
    reincarnated.collect()
}

/// Failure 52: restored at 10, written to 22 offline, while a peer holds another 20.
#[test]
fn failure_52_rollback_is_not_judged_by_count() {
    for before in [0, 10] {
        let (d, p) = {
            let d = Site::first();
            let p = Site::joined(&d);
            (d, p)
        };
        write(&d.carts, "apples", before);
        d.sync(&p);
        let restored = d.copy();
        write(&d.carts, "pears", 10);
        d.sync(&p);
        add(&p.carts, "nuts", 1); // builds upon what is lost
        write(&restored.carts, "figs", 12);
        let old = restored.id();
        restored.sync(&p);
        let reports = restored.reports();
        assert!(reports.contains(&Event::Rollback { peer: p.id() }), "{reports:?}");
        let id = restored.id();
        let told = Reincarnated { before: old, id, common: before, moved: 12, forked: false };
        assert_eq!(reincarnated(&reports), [told]);
        assert_ne!(id, old);
        for carts in [&restored.carts, &p.carts] {
            let lines = ["apples", "pears", "figs", "nuts"].map(|name| line(carts, name));
            assert_eq!(lines, [i64::try_from(before).expect("small"), 10, 12, 1]);
            assert_eq!(carts.stats().expect("readable").waiting, 0);
            assert_eq!(carts.forks(), Ok(vec![]));
        }
        assert_eq!(restored.carts.digest(), p.carts.digest());
        add(&restored.carts, "figs", 1);
        restored.sync(&p);
        let again = restored.reopened();
        assert_eq!((again.id(), again.carts.digest()), (id, p.carts.digest()));
        assert_eq!(reincarnated(&restored.reports()), [], "once");
    }
}

/// The plain case: the peer holds more than the store does, and nothing was written since.
#[test]
fn what_a_restore_lost_comes_back() {
    let d = Site::first();
    let p = Site::joined(&d);
    write(&d.carts, "apples", 10);
    let restored = d.copy();
    write(&d.carts, "apples", 10);
    d.sync(&p);
    restored.sync(&p);
    let told = reincarnated(&restored.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (10, 0, false));
    assert_eq!(restored.line("apples"), 20);
    add(&restored.carts, "apples", 1);
    restored.sync(&p);
    assert_eq!((p.line("apples"), restored.carts.digest()), (21, p.carts.digest()));
    let told = p.carts.incarnations().expect("readable");
    assert_eq!((told[0].predecessor, told[0].counter), (d.id(), 20));
}

/// Failure 11: a transaction that was rewritten under another id happens only once all the same.
#[test]
fn failure_11_keys_answer_after_their_entries_were_written_anew() {
    let d = Site::first();
    let p = Site::joined(&d);
    let restored = d.copy();
    write(&d.carts, "apples", 5);
    d.sync(&p);
    let order = |site: &Site| {
        site.carts.transact_once(b"order 17", |tx| tx.object("alice").entry("figs").add(1))
    };
    add(&restored.carts, "figs", 1);
    let Once::First(first) = order(&restored).expect("it runs") else { panic!("a first") };
    restored.sync(&p);
    // The id is the one derived from the branch, under which nobody goes on writing.
    let before = restored.store.predecessors();
    let [_, id] = before[..] else { panic!("the old one and the derived one: {before:?}") };
    for site in [&restored, &restored.reopened()] {
        let Once::Repeated(again) = order(site).expect("it answers") else { panic!("twice") };
        assert_eq!((again.origin(), again.is_durable()), (id, true));
        assert_eq!((site.line("figs"), site.line("apples")), (2, 5));
    }
    // An old receipt is resolved under the new id.
    let now = restored.carts.receipt(first.receipt).expect("readable");
    assert_eq!((now.origin(), now.is_durable()), (id, true));
    assert_ne!(first.origin(), id);
    restored.sync(&p);
    assert_eq!((p.line("figs"), p.carts.digest()), (2, restored.carts.digest()));
}

/// Failure 60: third parties hold different branches of one origin.
#[test]
fn failure_60_third_parties_mix_no_branches() {
    let d = Site::first();
    let [p, q, r] = [(); 3].map(|()| Site::joined(&d));
    write(&d.carts, "apples", 10);
    [&p, &q, &r].into_iter().for_each(|site| d.sync(site));
    let twin = d.copy();
    write(&d.carts, "pears", 10);
    write(&twin.carts, "figs", 15);
    d.sync(&p);
    twin.sync(&q);
    add(&r.carts, "nuts", 1); // builds upon neither
    r.sync(&p);
    add(&p.carts, "dates", 1); // builds upon D's branch at P
    p.sync(&q);
    q.sync(&p);
    for (site, ours, pears, figs) in [(&p, 20, 10, 0), (&q, 25, 0, 15)] {
        let forks = site.carts.forks().expect("readable");
        let [Fork { origin, common, .. }] = forks[..] else { panic!("one fork: {forks:?}") };
        assert_eq!((origin, common), (d.id(), 10));
        assert_ne!(forks[0].ours, forks[0].theirs);
        let told = |event: &Event| matches!(event, Event::Fork(fork) if fork.origin == d.id());
        assert_eq!(site.reports().iter().filter(|event| told(event)).count(), 1);
        assert_eq!((site.line("pears"), site.line("figs")), (pears, figs), "no branch is mixed");
        assert_eq!(site.carts.version_vector().expect("readable").get(d.id()), ours);
        assert_eq!(site.line("nuts"), 1, "what builds upon neither goes on");
        assert!(site.carts.export_branch(d.id()).expect("a branch").starts_with(b"B\x01"));
    }
    assert_eq!(q.line("dates"), 0, "what builds upon the other branch waits");
    // Neither accepts more of it, nor passes it on.
    add(&d.carts, "pears", 1);
    d.sync(&p);
    assert_eq!(p.line("pears"), 10);
    // A person picks a branch.
    p.carts.resolve_fork(d.id(), Keep::Ours).expect("resolved");
    assert_eq!(p.carts.forks(), Ok(vec![]));
    d.sync(&p);
    assert_eq!(p.line("pears"), 11);
    p.sync(&q);
    assert_eq!((p.line("figs"), q.line("pears")), (0, 0), "the other one stays out");
    let p = p.reopened();
    p.sync(&q);
    assert_eq!(p.carts.forks(), Ok(vec![]), "the choice is kept");
    assert_eq!((p.line("figs"), q.line("pears")), (0, 0));
}

/// Both branches are equally long: neither third parties nor the owner see it in any vector.
#[test]
fn equal_counters_hide_nothing() {
    let d = Site::first();
    let [p, q] = [(); 2].map(|()| Site::joined(&d));
    write(&d.carts, "apples", 4);
    [&p, &q].into_iter().for_each(|site| d.sync(site));
    let twin = d.copy();
    write(&d.carts, "pears", 6);
    write(&twin.carts, "figs", 6);
    d.sync(&p);
    twin.sync(&p);
    let told = reincarnated(&twin.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (4, 6, false));
    for site in [&twin, &p] {
        assert_eq!((site.line("apples"), site.line("pears"), site.line("figs")), (4, 6, 6));
    }
    let third = d.copy();
    write(&third.carts, "nuts", 1);
    let fourth = d.copy();
    write(&fourth.carts, "dates", 1);
    third.sync(&p);
    fourth.sync(&q);
    assert_eq!(p.carts.version_vector().map(|v| v.get(d.id())), Ok(11));
    assert_eq!(q.carts.version_vector().map(|v| v.get(d.id())), Ok(11));
    p.sync(&q);
    for (site, nuts, dates) in [(&p, 1, 0), (&q, 0, 1)] {
        assert_eq!(site.carts.forks().expect("readable")[0].common, 10);
        assert_eq!((site.line("nuts"), site.line("dates")), (nuts, dates));
        assert_eq!(site.line("figs"), 6, "another origin's entries go on");
    }
}

/// Entries that were seen elsewhere are not rewritten: they would be there twice.
#[test]
fn a_branch_that_has_spread_is_a_fork() {
    let d = Site::first();
    let [p, q] = [(); 2].map(|()| Site::joined(&d));
    write(&d.carts, "apples", 3);
    let restored = d.copy();
    write(&d.carts, "pears", 3);
    d.sync(&p);
    write(&restored.carts, "figs", 2);
    restored.sync(&q);
    add(&q.carts, "nuts", 1);
    restored.sync(&q); // what Q built upon it has come back
    restored.sync(&p);
    let told = reincarnated(&restored.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (3, 0, true));
    assert_eq!(restored.carts.forks().expect("readable")[0].origin, d.id());
    assert_eq!((restored.line("pears"), restored.line("figs")), (0, 2));
    assert_ne!(restored.id(), d.id(), "and it is not extended");
}

/// Both hellos are made before the restored store has written anything: what it then writes is
/// neither taken for what the peer has under the same counters, nor put on top of that.
#[test]
fn what_was_written_after_a_hello_is_compared_as_well() {
    let d = Site::first();
    let p = Site::joined(&d);
    write(&d.carts, "apples", 10);
    d.sync(&p);
    let restored = d.copy();
    write(&d.carts, "pears", 2);
    d.sync(&p);
    sync_while(&restored.carts.link(), &p.carts.link(), || write(&restored.carts, "figs", 3));
    let told = reincarnated(&restored.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (10, 3, false));
    restored.sync(&p);
    assert_eq!((p.line("figs"), p.line("pears")), (3, 2));
    assert_eq!(p.carts.digest(), restored.carts.digest());
}

/// Entries externalized before a restart were seen, though this process never met anybody.
#[test]
fn a_branch_that_spread_before_a_restart_is_a_fork() {
    let d = Site::first();
    let [p, q] = [(); 2].map(|()| Site::joined(&d));
    write(&d.carts, "apples", 10);
    [&p, &q].into_iter().for_each(|site| d.sync(site));
    let restored = d.copy();
    write(&d.carts, "pears", 1);
    d.sync(&q);
    write(&restored.carts, "figs", 2);
    restored.sync(&p);
    add(&restored.carts, "nuts", 1); // nobody sees this one
    let restarted = restored.reopened();
    restarted.sync(&q);
    let told = reincarnated(&restarted.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (10, 0, true));
    restarted.sync(&p);
    assert_eq!((p.line("figs"), restarted.line("figs")), (2, 2), "it is there once");
}

/// A branch that only the store's own disk has is rewritten, with or without restarts.
#[test]
fn a_branch_that_nobody_saw_is_written_anew_after_a_restart() {
    let d = Site::first();
    let p = Site::joined(&d);
    write(&d.carts, "apples", 10);
    d.sync(&p);
    let restored = d.copy();
    write(&d.carts, "pears", 1);
    d.sync(&p);
    write(&restored.carts, "figs", 2);
    let restarted = restored.reopened();
    restarted.sync(&p);
    let told = reincarnated(&restarted.reports());
    assert_eq!((told[0].common, told[0].moved, told[0].forked), (10, 2, false));
    assert_eq!((p.line("figs"), p.carts.digest()), (2, restarted.carts.digest()));
}

/// Failure 17: an entry that waits reserves neither a dot nor a place in the log.
#[test]
fn failure_17_an_orphan_reserves_nothing() {
    let mut net = Net::new(3);
    net.add(0, "apples", 1);
    let wire = net.connect(0, 1);
    net.settle();
    net.cut(wire);
    net.add(1, "pears", 1);
    let orphan = net.peers[1].records[1].entry.clone();
    let now = net.now;
    let [_, from, to] = &mut net.peers[..] else { panic!("three") };
    let session = greeted(from, to, now);
    assert_eq!(to.core.handle_message(session, Message::Entries(vec![orphan]), now), Ok(()));
    assert_eq!(to.core.waiting(), 1);
    let receipt = add_to(&mut to.core, now, "figs", 1);
    assert_eq!((receipt.first(), receipt.last()), (1, 1));
    let written = to.core.poll_write();
    assert_eq!(written.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [0]);
    let mut again = Peer::new(id(3));
    for (_, record) in written {
        assert_eq!(again.core.recover(record), Ok(true), "it loads again");
    }
}

/// Failure 53: entries that a peer has not written yet are not acknowledged.
#[test]
fn failure_53_an_acknowledgement_follows_the_peers_own_write() {
    let mut net = Net::new(2);
    let now = net.now;
    let receipt = net.add(0, "apples", 1);
    let [a, b] = &mut net.peers[..] else { panic!("two") };
    let at_b = greeted(a, b, now);
    let entry = a.records[0].entry.clone();
    let at_a = greeted(b, a, now);
    b.handle(at_b, Message::Entries(vec![entry]), now);
    let later = rejoin_replica::Now { elapsed: now.elapsed + 1_000, ..now };
    let said = |b: &mut Peer| {
        while let Some(frame) = b.frame(at_b, later) {
            drop(frame);
        }
        b.core.durable_vector().get(id(1))
    };
    assert_eq!(said(b), 0, "it is applied and not written");
    assert_eq!(a.core.held_by(&receipt), vec![]);
    b.write();
    assert_eq!(said(b), 1);
    a.handle(at_a, Message::Have(vec![(id(1), 1)]), later);
    assert_eq!(a.core.held_by(&receipt), vec![id(2)]);
}
