//! Failures of other systems, one named test per failure, with its schedule.
//!
//! The numbers in the names are those of the project's list of failures; issue trackers are named
//! if one is known. A, B, C, O, P, Q, R, X are replicas; `A:1` is the first event of A.

use rejoin_crdts::hash::set_seed;
use rejoin_crdts::{
    Clock, Crdt, Delta, DisableWinsFlag, EditError, EnableWinsFlag, GCounter, Kind, LwwRegister,
    MaxRegister, MinRegister, MvRegister, OrMap, OrSet, Path, PnCounter, Replica, RwSet,
    TwoPhaseSet, VersionVector,
};
use rejoin_vclock::MAX_COUNTER;

use crate::forge::{Claim, Forgery, bare_state};
use crate::types::{ConsentOf, Groups, Lines, Scores, Shelves, Tags};
use crate::world::{Blind, fresh, id};

type Names = OrSet<String>;

fn replica<T: Crdt>(number: u128) -> Replica<T> {
    Replica::new(fresh(number))
}

/// An edit that succeeds.
fn edit<T: Crdt, C: Clock>(
    replica: &mut Replica<T, C>,
    change: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
) -> Delta {
    replica.edit(change).expect("an edit in a test")
}

fn apply_all<T: Crdt>(reader: &mut Replica<T>, deltas: &[&Delta]) {
    deltas.iter().for_each(|delta| _ = reader.apply(delta));
}

/// riak_dt#82. add x@A, add x@B, A->C, rm@A, B->A, rm@B, merge(B, merge(A, C)): x must be absent.
#[test]
fn line_01_present_on_both_sides_yet_removed() {
    let [mut a, mut b, mut c] = [1, 2, 3].map(replica::<Names>);
    edit(&mut a, |set| set.insert("x"));
    edit(&mut b, |set| set.insert("x"));
    c.merge(&a);
    edit(&mut a, |set| set.remove("x"));
    a.merge(&b);
    edit(&mut b, |set| set.remove("x"));
    a.merge(&c);
    assert!(a.contains("x"), "B's add is alive at A");
    b.merge(&a);
    assert!(!b.contains("x"), "A removed A's, B removed B's");
    a.merge(&b);
    assert_eq!(a.save(), b.save());
}

/// rust-crdt#35. A map's merge uses the clocks from before it began: A holds key k by A:1 and B:1,
/// B has removed both and has put k by B:3. Both directions, each key of two.
#[test]
fn line_02_a_merge_judges_by_the_clocks_of_before() {
    let [mut a, mut b] = [1, 2].map(replica::<Tags>);
    edit(&mut a, |tags| tags.entry("k").insert("a"));
    edit(&mut b, |tags| tags.entry("k").insert("b"));
    edit(&mut b, |tags| tags.entry("l").insert("b"));
    a.merge(&b);
    b.merge(&a);
    edit(&mut b, |tags| tags.remove("k"));
    edit(&mut b, |tags| tags.entry("k").insert("b"));
    edit(&mut a, |tags| tags.entry("l").insert("a"));
    let [mut left, mut right] = [a.fork(fresh(8)), b.fork(fresh(9))];
    left.merge(&b);
    right.merge(&a);
    assert_eq!(left.save(), right.save());
    assert!(!left.at("k").contains("a"), "removed by B, which had seen it");
    assert_eq!((left.at("k").len(), left.at("l").len()), (1, 2));
}

/// riak_dt#99, #113. A:1 adds x; B and D, having seen it, both remove it; C hears of both removals
/// first, then of the add. The second removal must not cancel the first one's wait.
#[test]
fn line_03_a_deferred_remove_survives_another_remove() {
    let mut a = replica::<Tags>(1);
    let add = edit(&mut a, |tags| tags.entry("k").insert("x"));
    let [mut b, mut d] = [a.fork(fresh(2)), a.fork(fresh(4))];
    let removals =
        [edit(&mut b, |tags| tags.remove("k")), edit(&mut d, |tags| tags.entry("k").remove("x"))];
    for [first, second] in [[0, 1], [1, 0]] {
        let mut c = replica::<Tags>(3);
        apply_all(&mut c, &[&removals[first], &removals[second], &removals[first]]);
        assert_eq!((c.held(), c.len()), (2, 0));
        c.apply(&add);
        assert_eq!((c.held(), c.len()), (0, 0), "the element must not come back");
    }
}

/// riak_dt#98, #53. A and B both remove a counter that stands at 5, while C adds 3 to it: neither
/// is the 5 taken away twice, nor are C's 3 lost.
#[test]
fn line_04_a_counter_in_a_map_is_reset_once() {
    let mut a = replica::<Lines>(1);
    edit(&mut a, |lines| lines.entry("pears").add(5));
    let [mut b, mut c] = [a.fork(fresh(2)), a.fork(fresh(3))];
    edit(&mut a, |lines| lines.remove("pears"));
    edit(&mut b, |lines| lines.remove("pears"));
    edit(&mut c, |lines| lines.entry("pears").add(3));
    a.merge(&b);
    assert_eq!((a.at("pears").value(), a.get("pears").is_some()), (Ok(0), false));
    a.merge(&c);
    assert_eq!(a.at("pears").value(), Ok(3));
    edit(&mut a, |lines| lines.remove("pears"));
    edit(&mut a, |lines| lines.entry("pears").add(-1));
    assert_eq!(a.at("pears").value(), Ok(-1), "one decrement counts once");
}

/// Two writes with one stamp: that of the greater replica id stands, whichever argument it is.
#[test]
fn line_05_a_tie_is_not_broken_by_argument_order() {
    let [mut a, mut b] = [1, 2].map(replica::<LwwRegister<String>>);
    let left = edit(&mut a, |note| note.set("from A"));
    let right = edit(&mut b, |note| note.set("from B"));
    assert_eq!(left.stamp(), right.stamp());
    for order in [[&left, &right], [&right, &left]] {
        let mut reader = replica::<LwwRegister<String>>(3);
        apply_all(&mut reader, &order);
        assert_eq!(reader.get(), Ok(Some("from B".to_owned())));
    }
    a.merge(&b);
    b.merge(&left_behind(&left));
    assert_eq!(a.save(), b.save());
    assert_eq!(a.get(), b.get());
}

fn left_behind<T: Crdt>(delta: &Delta) -> Replica<T> {
    let mut reader = replica::<T>(4);
    reader.apply(delta);
    reader
}

/// The order of values that have none: every NaN is one NaN, and -0.0 is not 0.0.
#[test]
fn line_05_nan_and_negative_zero_have_one_place() {
    let odd_nan = f64::from_bits(f64::NAN.to_bits() ^ 1 << 63 | 7);
    let [mut a, mut b] = [1, 1].map(replica::<LwwRegister<f64>>);
    edit(&mut a, |value| value.set(f64::NAN));
    edit(&mut b, |value| value.set(odd_nan));
    assert!(odd_nan.is_nan() && a.get().is_ok_and(|value| value.is_some_and(f64::is_nan)));
    assert_eq!(a.save(), b.save(), "two NaNs, the same bytes");
    edit(&mut a, |value| value.set(-0.0));
    edit(&mut b, |value| value.set(0.0));
    assert_ne!(a.save(), b.save());
    assert!(a.get().is_ok_and(|value| value.is_some_and(f64::is_sign_negative)));
}

/// riak_dt#133. The same entries, put in another order into tables with another seed. (One test for
/// all tables: only the first seed of a process counts.)
#[test]
fn line_06_bytes_do_not_depend_on_hash_order() {
    let names: Vec<String> = (0..200).map(|n| format!("name {n}")).collect();
    let mut a = replica::<Tags>(1);
    let deltas: Vec<Delta> =
        names.iter().map(|name| edit(&mut a, |tags| tags.entry(name).insert(&name[5..]))).collect();
    let mut groups = replica::<Groups>(1);
    let removes: Vec<Delta> = names
        .iter()
        .map(|name| edit(&mut groups, |groups| groups.entry("removed").remove(name)))
        .collect();
    set_seed(0xDEAD_BEEF);
    let mut b = replica::<Tags>(2);
    deltas.iter().rev().for_each(|delta| _ = b.apply(delta));
    let mut c = replica::<Tags>(3);
    c.merge(&a);
    let order = |tags: &Tags| tags.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_ne!(order(&a), order(&b), "the tables do differ");
    assert_eq!(a.save(), b.save());
    assert_eq!(a.save(), c.save());
    let mut other_groups = replica::<Groups>(2);
    removes.iter().rev().for_each(|delta| _ = other_groups.apply(delta));
    assert_eq!(groups.save(), other_groups.save(), "and so with what is retained");
}

/// automerge#543, y-crdt#221. A:1 and A:4294967297 are two events.
#[test]
fn line_10_counters_are_not_truncated() {
    let element = Path::root(Kind::Set).key(&"x".to_owned(), Kind::Element);
    let beyond = (1_u64 << 32) + 1;
    let bytes = bare_state(&[(1, beyond - 1)]);
    let mut reader = Replica::<Names>::load(&bytes, fresh(2)).expect("a state of nothing");
    let add = Claim::Element { ends: Vec::new(), add: true };
    assert!(reader.apply(&Forgery::at(1, beyond, element.clone(), add).delta()));
    let other = Claim::Element { ends: vec![(1, 1)], add: false };
    assert!(reader.apply(&Forgery::first(3, element.clone(), other).delta()));
    assert!(reader.contains("x"), "A:1 ended, A:4294967297 did not");
    let same = Claim::Element { ends: vec![(1, beyond)], add: false };
    assert!(reader.apply(&Forgery::at(3, 2, element, same).delta()));
    assert!(!reader.contains("x"));
}

/// At the end of the counters there is an error, in an edit and in a delta from outside.
#[test]
fn line_10_counters_end_with_an_error() {
    let bytes = bare_state(&[(1, MAX_COUNTER - 1)]);
    let mut last = Replica::<Names>::load(&bytes, fresh(1)).expect("a state of nothing");
    let two = last.edit(|set| {
        set.insert("x")?;
        set.insert("y")
    });
    assert_eq!(two, Err(EditError::CountersExhausted));
    assert!(last.is_empty(), "half a transaction is none");
    let one = edit(&mut last, |set| set.insert("x"));
    assert_eq!(one.last(), MAX_COUNTER);
    assert_eq!(last.edit(|set| set.insert("y")), Err(EditError::CountersExhausted));
    let element = Path::root(Kind::Set).key(&"x".to_owned(), Kind::Element);
    let add = Claim::Element { ends: Vec::new(), add: true };
    assert!(Forgery::at(3, MAX_COUNTER, element.clone(), add.clone()).decode().is_ok());
    assert!(Forgery::at(3, MAX_COUNTER + 1, element, add).decode().is_err());
}

/// rust-crdt#159, #160. One replica puts two keys; a removal advances the vector like any event, so
/// that the next one is not taken for known.
#[test]
fn line_12_two_keys_of_one_replica_and_removals_that_count() {
    let mut a = replica::<Tags>(1);
    let mut b = replica::<Tags>(2);
    let deltas = [
        edit(&mut a, |tags| tags.entry("k").insert("x")),
        edit(&mut a, |tags| tags.entry("l").insert("x")),
        edit(&mut a, |tags| tags.remove("k")),
        edit(&mut a, |tags| tags.remove("l")),
        edit(&mut a, |tags| tags.entry("m").insert("x")),
    ];
    let keys = [1, 2, 1, 0, 1];
    for ((delta, counter), keys) in deltas.iter().zip(1..).zip(keys) {
        assert_eq!((delta.first(), delta.last()), (counter, counter));
        assert!(b.apply(delta));
        assert_eq!((b.version_vector().get(id(1)), b.len()), (counter, keys));
    }
}

/// loro#759. Two replicas create one nested child at once; both put something into it.
#[test]
fn line_13_concurrent_creation_of_one_child_merges() {
    let [mut a, mut b] = [1, 2].map(replica::<Shelves>);
    edit(&mut a, |shelves| shelves.entry("left").entry("pears").add(1));
    edit(&mut b, |shelves| shelves.entry("left").entry("pears").add(2));
    edit(&mut b, |shelves| shelves.entry("left").entry("plums").add(4));
    a.merge(&b);
    b.merge(&a);
    assert_eq!(a.save(), b.save());
    assert_eq!(a.at("left").at("pears").value(), Ok(3));
    assert_eq!(a.at("left").at("plums").value(), Ok(4));
}

/// The same for the other nesting types: two replicas create one child, and both sides of it stay.
#[test]
fn line_13_concurrent_creation_of_any_child_merges() {
    fn both<V: Crdt + Clone + 'static>(
        one: impl Fn(&mut V::Editor<'_>) -> Result<(), EditError>,
        other: impl Fn(&mut V::Editor<'_>) -> Result<(), EditError>,
    ) -> V {
        let [mut a, mut b] = [1, 2].map(replica::<OrMap<String, V>>);
        edit(&mut a, |map| one(&mut map.entry("k")));
        edit(&mut b, |map| other(&mut map.entry("k")));
        a.merge(&b);
        b.merge(&a);
        assert_eq!(a.save(), b.save());
        a.at("k").into_owned()
    }
    assert_eq!(both::<GCounter>(|n| n.add(1), |n| n.add(2)).value(), Ok(3));
    assert_eq!(both::<OrSet<u8>>(|set| set.insert(&1), |set| set.insert(&2)).len(), 2);
    assert_eq!(both::<RwSet<u8>>(|set| set.insert(&1), |set| set.insert(&2)).len(), 2);
    assert_eq!(both::<TwoPhaseSet<u8>>(|set| set.insert(&1), |set| set.insert(&2)).len(), 2);
    let values = both::<MvRegister<u8>>(|value| value.set(1), |value| value.set(2)).values();
    assert_eq!(values, Ok(vec![1, 2]));
    assert!(both::<EnableWinsFlag>(|flag| flag.enable(), |flag| flag.enable()).is_enabled());
    assert!(!both::<DisableWinsFlag>(|flag| flag.enable(), |flag| flag.disable()).is_enabled());
}

/// O writes e to X and R, the link O->R is slow; X writes f = remove e; R gets f first, then e.
#[test]
fn line_41_a_removal_waits_for_what_it_removes() {
    let mut o = replica::<Names>(1);
    let e = edit(&mut o, |set| set.insert("e"));
    let mut x = replica::<Names>(2);
    x.apply(&e);
    let f = edit(&mut x, |set| set.remove("e"));
    let mut r = replica::<Names>(3);
    assert!(!r.apply(&f), "f depends on e");
    assert_eq!((r.held(), r.missing()), (1, [(id(1), 1)].into_iter().collect()));
    assert!(r.apply(&e));
    assert_eq!((r.held(), r.is_empty()), (0, true), "e must not live for ever");
    assert_eq!(r.save(), x.save());
}

/// The same if f ends nothing and only comes later: R must not see the answer before the question.
#[test]
fn line_41_an_answer_waits_for_its_question() {
    let mut o = replica::<Lines>(1);
    let question = edit(&mut o, |lines| lines.entry("question").add(1));
    let mut x = replica::<Lines>(2);
    x.merge(&o);
    let answer = edit(&mut x, |lines| lines.entry("answer").add(1));
    let again = edit(&mut x, |lines| lines.entry("answer").add(1));
    let mut r = replica::<Lines>(3);
    apply_all(&mut r, &[&again, &answer]);
    assert_eq!((r.held(), r.len()), (2, 0));
    r.apply(&question);
    assert_eq!((r.held(), r.save()), (0, x.save()));
}

/// A clock that shows a fixed time.
struct Says(u64);

impl Clock for Says {
    fn now_millis(&mut self) -> u64 {
        self.0
    }
}

/// a (at 10) and b (at 7) are concurrent; C saw only a and deletes it. P receives a, b, delete; Q
/// receives a, delete, b. Both must show b: a merge that drops b because a beats it loses it.
#[test]
fn line_43_a_merge_does_not_prune_by_value() {
    type Note = LwwRegister<String>;
    let mut a = Replica::<Note, Says>::with_clock(fresh(1), Says(10));
    let mut b = Replica::<Note, Says>::with_clock(fresh(2), Says(7));
    let at_ten = edit(&mut a, |note| note.set("a"));
    let at_seven = edit(&mut b, |note| note.set("b"));
    let mut c = replica::<Note>(3);
    c.apply(&at_ten);
    let delete = edit(&mut c, |note| note.clear());
    let [mut p, mut q] = [4, 5].map(replica::<Note>);
    apply_all(&mut p, &[&at_ten, &at_seven]);
    assert_eq!(p.get(), Ok(Some("a".to_owned())));
    assert_eq!(p.concurrent(), Ok(vec!["a".to_owned(), "b".to_owned()]));
    p.apply(&delete);
    apply_all(&mut q, &[&at_ten, &delete, &at_seven]);
    assert_eq!((p.get(), q.get()), (Ok(Some("b".to_owned())), Ok(Some("b".to_owned()))));
    assert_eq!(p.save(), q.save());
    let mut merged = left_behind::<Note>(&at_ten);
    merged.merge(&left_behind(&at_seven));
    assert_eq!(merged.concurrent().map(|both| both.len()), Ok(2), "by merges, too");
    merged.merge(&c);
    assert_eq!(merged.save(), p.save());
}

/// The same for registers in which the greatest, or the least, stands: C deletes that value, having
/// seen no other.
#[test]
fn line_43_max_and_min_do_not_prune_by_value() {
    fn schedule<T: Crdt + Clone>(
        best: impl Fn(&mut T::Editor<'_>) -> Result<(), EditError>,
        beaten: impl Fn(&mut T::Editor<'_>) -> Result<(), EditError>,
        delete: impl Fn(&mut T::Editor<'_>) -> Result<(), EditError>,
    ) -> Replica<T> {
        let [mut b, mut a] = [1, 2].map(replica::<T>);
        let best = edit(&mut a, best);
        let beaten = edit(&mut b, beaten);
        let mut c = left_behind::<T>(&best);
        let delete = edit(&mut c, delete);
        let [mut p, mut q] = [5, 6].map(replica::<T>);
        apply_all(&mut p, &[&best, &beaten, &delete]);
        apply_all(&mut q, &[&best, &delete, &beaten]);
        a.merge(&b);
        a.merge(&c);
        assert_eq!((p.save(), a.save()), (q.save(), q.save()));
        p
    }
    let max = schedule::<MaxRegister<u8>>(|max| max.set(10), |max| max.set(7), |max| max.clear());
    assert_eq!(max.get(), Ok(Some(7)));
    let min = schedule::<MinRegister<u8>>(|min| min.set(7), |min| min.set(10), |min| min.clear());
    assert_eq!(min.get(), Ok(Some(10)));
}

/// A removal of key 1 by vector does not affect key 2, whose dot the vector covers as well.
#[test]
fn line_44_a_removal_by_vector_is_scoped() {
    let long = "a name so long that the vector is shorter than its dots".repeat(3);
    let mut a = replica::<Tags>(1);
    edit(&mut a, |tags| tags.entry("key 1").insert(&long));
    edit(&mut a, |tags| tags.entry("key 2").insert(&long));
    let mut blind = replica::<Blind<Tags>>(3);
    let whole = Replica::<Blind<Tags>>::load(&a.save(), fresh(4)).expect("what is saved loads");
    blind.merge(&whole);
    let mut b = a.fork(fresh(2));
    let removal = edit(&mut a, |tags| tags.remove("key 1"));
    assert!(format!("{removal:?}").contains("Below"), "by vector: {removal:?}");
    assert!(b.apply(&removal) && blind.apply(&removal));
    assert_eq!((b.get("key 1").is_some(), b.at("key 2").len()), (false, 1));
    assert_eq!((b.save(), blind.save()), (a.save(), a.save()));
}

/// R has counted T = 5; Q resets; R concurrently counts 1 more. By the log and by the state: 1.
/// Then two concurrent resets of that 1 subtract it once.
#[test]
fn line_45_a_reset_against_a_running_total() {
    let mut r = replica::<Lines>(1);
    let total = edit(&mut r, |lines| lines.entry("k").add(5));
    let mut q = replica::<Lines>(2);
    q.apply(&total);
    let reset = edit(&mut q, |lines| lines.remove("k"));
    let more = edit(&mut r, |lines| lines.entry("k").add(1));
    let mut log = replica::<Lines>(3);
    apply_all(&mut log, &[&total, &more, &reset]);
    q.merge(&r);
    assert_eq!((log.at("k").value(), q.at("k").value()), (Ok(1), Ok(1)));
    assert_eq!(log.save(), q.save());
    edit(&mut log, |lines| lines.remove("k"));
    edit(&mut q, |lines| lines.remove("k"));
    log.merge(&q);
    assert_eq!((log.at("k").value(), log.is_empty()), (Ok(0), true));
}

/// A adds x, Q removes it; P has heard of everything that everybody has ever done and still keeps
/// the remove: a clone of A that P does not know adds x concurrently with it.
#[test]
fn line_46_a_remove_is_not_dropped_on_a_local_judgement() {
    let mut a = replica::<RwSet<String>>(1);
    edit(&mut a, |set| set.insert("x"));
    let mut clone = a.fork(fresh(9));
    let [mut p, mut q] = [2, 3].map(|number| a.fork(fresh(number)));
    edit(&mut q, |set| set.remove("x"));
    [&mut a, &mut p].into_iter().for_each(|other| assert!(other.merge(&q)));
    assert_eq!((p.save(), a.save()), (q.save(), q.save()), "everybody keeps the remove");
    let add = edit(&mut clone, |set| set.insert("x"));
    assert!(p.apply(&add) && q.apply(&add));
    assert_eq!((p.contains("x"), q.contains("x")), (false, false), "the remove wins");
    assert_eq!(p.save(), q.save());
    clone.merge(&p);
    assert_eq!((clone.contains("x"), clone.save()), (false, q.save()));
}

/// The same below a key that is removed: the reset takes the adds that it saw and no remove.
#[test]
fn line_46_a_reset_does_not_drop_removes() {
    let [x, y, z] = ["x", "y", "z"].map(|name| name.repeat(90));
    let mut a = replica::<Groups>(1);
    edit(&mut a, |groups| {
        groups.entry("k").insert(&x)?;
        groups.entry("k").insert(&y)
    });
    let mut clone = a.fork(fresh(9));
    let [mut p, mut q] = [2, 3].map(|number| a.fork(fresh(number)));
    q.merge(&p);
    // The reset's vector covers the remove, by an add of the same replica that came after it.
    edit(&mut q, |groups| groups.entry("k").remove(&x));
    edit(&mut q, |groups| groups.entry("k").insert(&z));
    p.merge(&q);
    let reset = edit(&mut p, |groups| groups.remove("k"));
    assert!(format!("{reset:?}").contains("Below"), "by vector: {reset:?}");
    assert!(p.is_empty() && q.apply(&reset));
    let add = edit(&mut clone, |groups| groups.entry("k").insert(&x));
    assert!(p.apply(&add) && q.apply(&add));
    assert_eq!((p.is_empty(), q.is_empty()), (true, true), "the remove outlives the reset");
    assert_eq!(p.save(), q.save());
}

/// The same with a flag: a disable under a removed key beats an enable that had not seen it.
#[test]
fn line_46_a_disable_outlives_its_key() {
    let mut a = replica::<ConsentOf>(1);
    edit(&mut a, |consent| consent.entry("mail").enable());
    let mut clone = a.fork(fresh(9));
    let mut p = a.fork(fresh(2));
    edit(&mut p, |consent| consent.entry("mail").disable());
    edit(&mut p, |consent| consent.remove("mail"));
    edit(&mut clone, |consent| consent.entry("mail").enable());
    p.merge(&clone);
    a.merge(&p);
    assert!(p.is_empty(), "nobody who had seen the disable has enabled it");
    assert_eq!(a.save(), p.save());
    edit(&mut a, |consent| consent.entry("mail").enable());
    assert!(a.at("mail").is_enabled());
}

/// A:1 = +1, A:2 = +2; C resets both; B, having seen both, resets too; A hears of C only, adds 2
/// and starts a new record; then B's reset comes: the value is 2, and not 4 or 0.
#[test]
fn line_57_a_record_starts_anew_only_when_it_is_dead() {
    let mut a = replica::<Lines>(1);
    edit(&mut a, |lines| lines.entry("k").add(1));
    edit(&mut a, |lines| lines.entry("k").add(2));
    let [mut b, mut c] = [a.fork(fresh(2)), a.fork(fresh(3))];
    let by_c = edit(&mut c, |lines| lines.entry("k").reset());
    let by_b = edit(&mut b, |lines| lines.entry("k").reset());
    a.apply(&by_c);
    edit(&mut a, |lines| lines.entry("k").add(2));
    a.apply(&by_b);
    assert_eq!(a.at("k").value(), Ok(2));
    b.merge(&a);
    c.merge(&b);
    assert_eq!((c.at("k").value(), c.save()), (Ok(2), a.save()));
}

/// The other half: a record of which a reset has seen only a part is not dead and no new one
/// starts, or the reset would be forgotten with it.
#[test]
fn line_57_a_record_that_is_half_reset_goes_on() {
    let mut a = replica::<Lines>(1);
    edit(&mut a, |lines| lines.entry("k").add(1));
    let mut c = a.fork(fresh(3));
    let half = edit(&mut c, |lines| lines.entry("k").reset());
    edit(&mut a, |lines| lines.entry("k").add(2));
    a.apply(&half);
    let on = edit(&mut a, |lines| lines.entry("k").add(4));
    assert_eq!(a.at("k").value(), Ok(6));
    c.merge(&a);
    assert_eq!((c.at("k").value(), c.save()), (Ok(6), a.save()));
    assert_eq!(on.first(), 3);
}

/// B adds and a snapshot is kept, B resets, everybody acknowledges. The snapshot does not bring the
/// counter back: neither where its record is known to be dead, nor where it has been dropped.
#[test]
fn line_58_a_snapshot_does_not_bring_a_counter_back() {
    let mut b = replica::<PnCounter>(2);
    edit(&mut b, |counter| counter.add(5));
    let snapshot = b.save();
    edit(&mut b, |counter| counter.reset());
    let old = Replica::<PnCounter>::load(&snapshot, fresh(8)).expect("what is saved loads");
    assert_eq!(old.value(), Ok(5));
    let mut known = b.fork(fresh(3));
    assert!(!known.merge(&old));
    assert_eq!(known.value(), Ok(0));

    let dropped = bare_state(&[(2, 2)]);
    let mut dropped = Replica::<PnCounter>::load(&dropped, fresh(4)).expect("a state of nothing");
    assert!(!dropped.merge(&old), "B:1 is covered and not here: it was dropped");
    assert_eq!(dropped.value(), Ok(0));
    let mut other_way = old.fork(fresh(5));
    assert!(other_way.merge(&dropped));
    assert_eq!((other_way.value(), other_way.save()), (Ok(0), dropped.save()));
}

/// max(3), then max(1) shows 3: a write ends the writes that it saw only where it beats them.
#[test]
fn line_63_a_lower_write_does_not_end_a_higher_one() {
    let mut max = replica::<MaxRegister<u8>>(1);
    edit(&mut max, |max| max.set(3));
    let lower = edit(&mut max, |max| max.set(1));
    assert_eq!((lower.is_empty(), max.get()), (false, Ok(Some(3))));
    let mut min = replica::<MinRegister<u8>>(1);
    edit(&mut min, |min| min.set(1));
    edit(&mut min, |min| min.set(3));
    assert_eq!(min.get(), Ok(Some(1)));
}

/// The other half: a lower write is kept, or it would be lost when a concurrent reset that had seen
/// only the higher one takes that away.
#[test]
fn line_63_a_lower_write_survives_the_reset_of_the_higher_one() {
    let mut a = replica::<Scores>(1);
    edit(&mut a, |scores| scores.entry("k").set("3"));
    let mut b = a.fork(fresh(2));
    edit(&mut b, |scores| scores.entry("k").set("1"));
    edit(&mut a, |scores| scores.remove("k"));
    a.merge(&b);
    b.merge(&a);
    assert_eq!(a.at("k").get(), Ok(Some("1".to_owned())));
    assert_eq!(a.save(), b.save());

    let mut c = replica::<OrMap<String, MinRegister<u8>>>(3);
    edit(&mut c, |least| least.entry("k").set(1));
    let mut d = c.fork(fresh(4));
    edit(&mut d, |least| least.entry("k").set(3));
    edit(&mut c, |least| least.remove("k"));
    c.merge(&d);
    assert_eq!(c.at("k").get(), Ok(Some(3)));
}

/// A deleted value and one that was never seen are distinguished, in both directions.
#[test]
fn deleted_is_not_never_seen() {
    let mut a = replica::<OrMap<String, LwwRegister<u8>>>(1);
    edit(&mut a, |map| map.entry("k").set(1));
    let old = a.fork(fresh(2));
    edit(&mut a, |map| map.remove("k"));
    edit(&mut a, |map| map.entry("l").set(2));
    let mut left = a.fork(fresh(3));
    assert!(!left.merge(&old), "k is covered and gone");
    let mut right = old.fork(fresh(4));
    assert!(right.merge(&a), "k goes, l comes");
    assert_eq!((left.save(), right.save()), (a.save(), a.save()));
    assert_eq!(left.version_vector(), VersionVector::from_iter([(id(1), 3)]));
}
