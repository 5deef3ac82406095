//! Origins that lie: deltas that end what they cannot know, go back in time, or make sums up.
//!
//! What a liar writes below its own dots is its own business. What must not happen is that two
//! honest replicas which have seen the same deltas show something else, or save bytes that nobody
//! can load.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rejoin_crdts::delta::Delta;
use rejoin_crdts::{Kind, OrSet, Path, PnCounter, RawAtom, Replica, VersionVector};
use rejoin_vclock::codec::{Decode, Encode};

use crate::forge::{Claim, Forgery, Named, Sums};
use crate::types::{Lines, alphabets};
use crate::world::{Act, Blind, Subject, fresh, id};

const HONEST: [u128; 3] = [1, 2, 3];
const LIARS: [u128; 2] = [8, 9];

/// One thing that happens among three honest replicas.
#[derive(Clone, Debug)]
enum Step {
    Edit { at: usize, choice: usize },
    Deliver { delta: usize, to: usize },
    Merge { from: usize, to: usize },
}

/// A delta that speaks of dots nobody here has seen waits for them, and changes nothing.
#[test]
fn what_nobody_has_seen_is_waited_for() {
    let root = Path::root(Kind::Set);
    let element = root.key(&"x".to_owned(), Kind::Element);
    let unseen = vec![(1, 2)];
    let claims = [
        (element.clone(), Claim::Element { ends: unseen.clone(), add: false }),
        (element, Claim::Element { ends: unseen.clone(), add: true }),
        (root, Claim::Below { seen: unseen }),
    ];
    for (path, claim) in claims {
        let mut origin = Replica::<OrSet<String>>::new(fresh(1));
        let first = origin.edit(|set| set.insert("x")).expect("an edit");
        let second = origin.edit(|set| set.insert("x")).expect("an edit");
        let forged = Forgery::first(8, path, claim).delta();

        let mut early = Replica::<OrSet<String>>::new(fresh(2));
        early.apply(&first);
        let before = early.save();
        assert!(!early.apply(&forged), "it names 1:2, which is not here");
        assert_eq!((early.held(), early.save()), (1, before));
        assert_eq!(early.missing().get(id(1)), 2);
        early.apply(&second);

        let mut late = Replica::<OrSet<String>>::new(fresh(3));
        [&first, &second, &forged].iter().for_each(|delta| _ = late.apply(delta));
        assert_eq!(early.version_vector(), late.version_vector());
        assert_eq!(early.save(), late.save());
    }
}

/// A floor that names a count which is not here waits for it, too.
#[test]
fn a_floor_for_what_nobody_has_seen_is_waited_for() {
    let mut origin = Replica::<PnCounter>::new(fresh(1));
    let first = origin.edit(|counter| counter.add(5)).expect("an edit");
    let second = origin.edit(|counter| counter.add(5)).expect("an edit");
    let floors = vec![((1, 2), [1, 10, 0])];
    let path = Path::root(Kind::Counter);
    let forged = Forgery::first(8, path, Claim::Counter { totals: None, floors }).delta();
    let mut receiver = Replica::<PnCounter>::new(fresh(2));
    receiver.apply(&first);
    assert!(!receiver.apply(&forged));
    assert_eq!(receiver.value(), Ok(5));
    receiver.apply(&second);
    assert_eq!((receiver.value(), receiver.held()), (Ok(0), 0));
}

/// What an operation says about its own origin's future is refused where bytes become a delta.
#[test]
fn what_comes_later_in_its_own_history_is_refused() {
    let set = Path::root(Kind::Set).key(&1_u8, Kind::Element);
    let counter = Path::root(Kind::Counter);
    let floors = vec![((8, 3), [1, 1, 0])];
    for (path, claim) in [
        (set.clone(), Claim::Element { ends: vec![(8, 3)], add: false }),
        (set, Claim::Element { ends: vec![(8, 4)], add: true }),
        (counter.clone(), Claim::Counter { totals: Some([4, 1, 0]), floors: Vec::new() }),
        (counter, Claim::Counter { totals: None, floors }),
    ] {
        let forgery = Forgery::at(8, 3, path, claim);
        assert!(forgery.decode().is_err(), "{forgery:?}");
    }
}

/// Somebody writes under another's name. It comes back to him in a state, and he can still be
/// understood: no delta of his names himself among what it depends on.
#[test]
fn who_was_impersonated_is_still_understood() {
    let mut victim = Replica::<OrSet<u8>>::new(fresh(1));
    victim.edit(|set| set.insert(&1)).expect("an edit");
    let mut other = victim.fork(fresh(2));
    let element = Path::root(Kind::Set).key(&7_u8, Kind::Element);
    let claim = Claim::Element { ends: Vec::new(), add: true };
    assert!(other.apply(&Forgery::at(1, 2, element, claim).delta()));
    assert!(victim.merge(&other));
    let next = victim.edit(|set| set.insert(&2)).expect("an edit");
    assert_eq!((next.first(), next.deps()), (3, [].as_slice()));
    assert_eq!(Delta::from_bytes(&next.to_bytes()), Ok(next));
}

/// Whatever two liars write, honest replicas that have seen the same hold the same.
#[test]
fn liars_do_not_divide_the_honest() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(Config { cases: 4 * config.cases, ..config });
    let lies = (liar(LIARS[0]), liar(LIARS[1]));
    let result = runner.run(&(lies, vec(steps(), 1..40)), |((some, more), script)| {
        let deltas = interleave(some, more);
        Court::new(deltas).run(script);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Three honest replicas, and all deltas there are.
struct Court {
    honest: Vec<(Replica<Lines>, Replica<Blind<Lines>>)>,
    deltas: Vec<Delta>,
    transactions: Vec<Vec<Act>>,
    saved: Vec<(VersionVector, Vec<u8>)>,
}

impl Court {
    fn new(deltas: Vec<Delta>) -> Self {
        let honest = HONEST.map(|id| (Replica::new(fresh(id)), Replica::new(fresh(id))));
        let transactions = alphabets::map_of_counters();
        Self { honest: honest.into(), deltas, transactions, saved: Vec::new() }
    }

    fn run(&mut self, script: Vec<Step>) {
        for step in script {
            match step {
                Step::Edit { at, choice } => self.edit(at, choice),
                Step::Deliver { delta, to } => self.deliver(delta % self.deltas.len().max(1), to),
                Step::Merge { from, to } => self.merge(from, to),
            }
        }
        for to in 0..HONEST.len() {
            (0..self.deltas.len()).rev().for_each(|delta| self.deliver(delta, to));
        }
        let [first, others @ ..] = self.honest.as_slice() else { return };
        for (other, _) in others {
            assert_eq!(first.0.version_vector(), other.version_vector());
        }
    }

    fn edit(&mut self, at: usize, choice: usize) {
        let acts = &self.transactions[choice];
        let (typed, blind) = &mut self.honest[at];
        let delta = typed.edit(|lines| {
            acts.iter().try_for_each(|act| <Lines as Subject>::act(lines, act.place, act.what))
        });
        let untyped = blind.edit(|lines| {
            acts.iter().try_for_each(|act| <Lines as Subject>::act(lines, act.place, act.what))
        });
        assert_eq!(delta, untyped);
        let delta = delta.expect("a liar's sums leave room in an honest record");
        if !delta.is_empty() {
            self.deltas.push(delta);
        }
        self.agree(at);
    }

    fn deliver(&mut self, delta: usize, to: usize) {
        let Some(delta) = self.deltas.get(delta) else { return };
        let (typed, blind) = &mut self.honest[to];
        assert_eq!(typed.apply(delta), blind.apply(delta));
        self.agree(to);
    }

    fn merge(&mut self, from: usize, to: usize) {
        let Ok([from, into]) = self.honest.get_disjoint_mut([from, to]) else { return };
        assert_eq!(into.0.merge(&from.0), into.1.merge(&from.1));
        self.agree(to);
    }

    /// Equal vectors, equal bytes, and bytes that load.
    fn agree(&mut self, at: usize) {
        let (typed, blind) = &self.honest[at];
        let (vector, bytes) = (typed.version_vector(), typed.save());
        assert_eq!(bytes, blind.save());
        let loaded = Replica::<Lines>::load(&bytes, fresh(99)).expect("what is saved loads");
        assert_eq!(loaded.save(), bytes);
        match self.saved.iter().find(|(known, _)| *known == vector) {
            Some((_, known)) => assert_eq!(*known, bytes, "equal vectors, other bytes"),
            None => self.saved.push((vector, bytes)),
        }
    }
}

fn interleave(some: Vec<Delta>, more: Vec<Delta>) -> Vec<Delta> {
    let mut deltas = Vec::new();
    let (mut some, mut more) = (some.into_iter(), more.into_iter());
    loop {
        let before = deltas.len();
        deltas.extend(some.next());
        deltas.extend(more.next());
        if deltas.len() == before {
            return deltas;
        }
    }
}

/// A liar's deltas, one after the other, as far as they pass for deltas.
fn liar(origin: u128) -> impl Strategy<Value = Vec<Delta>> {
    vec(vec(lies(), 1..3), 1..6).prop_map(move |transactions| {
        let mut first = 1;
        let mut deltas = Vec::new();
        for changes in transactions {
            let forgery = Forgery { origin, first, stamp: first, deps: Vec::new(), changes };
            if let Ok(delta) = forgery.decode() {
                first = delta.last() + 1;
                deltas.push(delta);
            }
        }
        deltas
    })
}

fn lies() -> impl Strategy<Value = (Path, Claim)> {
    let root = Path::root(Kind::Map);
    let counter = root.key(&"a".to_owned(), Kind::Counter);
    let element = root.key(&"a".to_owned(), Kind::Set).key(&7_u8, Kind::Element);
    let register = root.key(&"b".to_owned(), Kind::LwwRegister);
    let value = proptest::option::of(any::<u8>().prop_map(|value| RawAtom::of(&value)));
    prop_oneof![
        6 => (proptest::option::of(sums()), floors())
            .prop_map(|(totals, floors)| Claim::Counter { totals, floors })
            .prop_map(move |claim| (counter.clone(), claim)),
        1 => (dots(), any::<bool>()).prop_map(|(ends, add)| Claim::Element { ends, add })
            .prop_map(move |claim| (element.clone(), claim)),
        1 => (dots(), value).prop_map(|(ends, value)| Claim::Register { ends, value })
            .prop_map(move |claim| (register.clone(), claim)),
        1 => vector().prop_map(|seen| Claim::Below { seen })
            .prop_map(move |claim| (root.clone(), claim)),
    ]
}

fn anybody() -> impl Strategy<Value = u128> {
    prop::sample::select([HONEST.as_slice(), &LIARS].concat())
}

fn dots() -> impl Strategy<Value = Vec<Named>> {
    proptest::collection::btree_set((anybody(), 1..5_u64), 0..3)
        .prop_map(|dots| dots.into_iter().collect())
}

fn vector() -> impl Strategy<Value = Vec<Named>> {
    proptest::collection::btree_map(anybody(), 1..5_u64, 0..3)
        .prop_map(|vector| vector.into_iter().collect())
}

fn sums() -> impl Strategy<Value = Sums> {
    let sum = prop_oneof![9 => 0..6_u64, 1 => Just(u64::MAX)];
    (1..6_u64, sum.clone(), sum).prop_map(|(start, more, less)| [start, more, less])
}

fn floors() -> impl Strategy<Value = Vec<(Named, Sums)>> {
    proptest::collection::btree_map(anybody(), (1..6_u64, sums()), 0..3).prop_map(|floors| {
        floors.into_iter().map(|(id, (last, sums))| ((id, last), sums)).collect()
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let choices = alphabets::map_of_counters().len();
    let at = 0..HONEST.len();
    prop_oneof![
        3 => (at.clone(), 0..choices).prop_map(|(at, choice)| Step::Edit { at, choice }),
        4 => (any::<u8>(), at.clone())
            .prop_map(|(delta, to)| Step::Deliver { delta: delta.into(), to }),
        2 => (at.clone(), at).prop_map(|(from, to)| Step::Merge { from, to }),
    ]
}
