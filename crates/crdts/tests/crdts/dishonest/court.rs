//! Three honest replicas and two liars, at random: the honest agree when they have seen the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rejoin_crdts::delta::Delta;
use rejoin_crdts::{EditError, Kind, Path, RawAtom, ReadError, Replica, VersionVector};

use crate::forge::{Claim, Forgery, Named, Row, Sums};
use crate::types::{Groups, Lines, alphabets};
use crate::world::{Alphabet, Blind, Subject, fresh};

const HONEST: [u128; 3] = [1, 2, 3];
const LIARS: [u128; 2] = [8, 9];

/// One thing that happens among three honest replicas.
#[derive(Clone, Debug)]
enum Step {
    Edit { at: usize, choice: usize },
    Deliver { delta: usize, to: usize },
    Merge { from: usize, to: usize },
}

/// Whatever two liars write, honest replicas that have seen the same hold the same.
#[test]
fn liars_do_not_divide_the_honest() {
    hear::<Lines>(&alphabets::map_of_counters(), 4, lies().boxed());
}

/// The same for places where removes are retained, and beside a liar's rights.
#[test]
fn liars_about_removes_and_rights_do_not_divide_the_honest() {
    hear::<Groups>(&alphabets::map_of_rw_sets(), 2, lies_about_removes().boxed());
}

/// A liar's claim about one place.
type Lie = (Path, Claim);

fn hear<S: Subject>(alphabet: &Alphabet, times: u32, lies: BoxedStrategy<Lie>) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(Config { cases: times * config.cases, ..config });
    let lies = (liar(LIARS[0], lies.clone()), liar(LIARS[1], lies));
    let scripts = vec(steps(alphabet.len()), 1..40);
    let result = runner.run(&(lies, scripts), |((some, more), script)| {
        let deltas = interleave(some, more);
        Court::<S>::new(deltas, alphabet).run(script);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Three honest replicas, and all deltas so far.
struct Court<S: Subject> {
    honest: Vec<(Replica<S>, Replica<Blind<S>>)>,
    deltas: Vec<Delta>,
    transactions: Alphabet,
    saved: Vec<(VersionVector, Vec<u8>)>,
}

impl<S: Subject> Court<S> {
    fn new(deltas: Vec<Delta>, alphabet: &Alphabet) -> Self {
        let honest = HONEST.map(|id| (Replica::new(fresh(id)), Replica::new(fresh(id))));
        let transactions = alphabet.clone();
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
        let delta =
            typed.edit(|value| acts.iter().try_for_each(|act| S::act(value, act.place, act.what)));
        let untyped =
            blind.edit(|value| acts.iter().try_for_each(|act| S::act(value, act.place, act.what)));
        assert_eq!(delta, untyped);
        // Rights that a liar put below a map are rights, and cannot be removed with it.
        let delta = match delta {
            Err(EditError::CannotReset { .. }) => return,
            // A value that a liar put under a name as another kind is reported, and not removed as
            // this one.
            Err(EditError::Read(ReadError::WrongKind { .. } | ReadError::KindClash { .. })) => {
                return;
            }
            delta => delta.expect("a liar's sums leave room in an honest record"),
        };
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

    /// Checks that equal vectors have equal bytes, and that the bytes load.
    fn agree(&mut self, at: usize) {
        let (typed, blind) = &self.honest[at];
        let (vector, bytes) = (typed.version_vector(), typed.save());
        assert_eq!(bytes, blind.save());
        let loaded = Replica::<S>::load(&bytes, fresh(99)).expect("what is saved loads");
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

/// Generates a liar's deltas, one after the other, as far as they pass for deltas.
fn liar(origin: u128, lies: BoxedStrategy<Lie>) -> impl Strategy<Value = Vec<Delta>> {
    vec(vec(lies, 1..3), 1..6).prop_map(move |transactions| {
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

fn lies() -> impl Strategy<Value = Lie> {
    let root = Path::root(Kind::Map);
    let counter = root.key(&"a".to_owned(), Kind::Counter);
    let element = root.key(&"a".to_owned(), Kind::Set).key(&7_u8, Kind::Element);
    let register = root.key(&"b".to_owned(), Kind::LwwRegister);
    let corrected = counter.clone();
    let value = proptest::option::of(any::<u8>().prop_map(|value| RawAtom::of(&value)));
    prop_oneof![
        6 => prop_oneof![
            sums().prop_map(Claim::Count),
            floors().prop_map(|floors| Claim::Reset { floors }),
        ]
        .prop_map(move |claim| (counter.clone(), claim)),
        4 => prop_oneof![
            dots().prop_map(|ends| Claim::Lifts { ends }),
            (dots(), proptest::option::of((any::<bool>(), rows())))
                .prop_map(|(ends, put)| Claim::Correct { ends, put }),
        ]
        .prop_map(move |claim| (corrected.clone(), claim)),
        1 => (dots(), any::<bool>()).prop_map(|(ends, add)| Claim::Element { ends, add })
            .prop_map(move |claim| (element.clone(), claim)),
        1 => (dots(), value).prop_map(|(ends, value)| Claim::Register { ends, value })
            .prop_map(move |claim| (register.clone(), claim)),
        1 => vector().prop_map(|seen| Claim::Below { seen })
            .prop_map(move |claim| (root.clone(), claim)),
    ]
}

/// Generates an add and a remove under one dot, ends of dots that stand elsewhere, and shares that
/// shrink.
fn lies_about_removes() -> impl Strategy<Value = Lie> {
    let root = Path::root(Kind::Map);
    let set = |name: &str| root.key(&name.to_owned(), Kind::RwSet);
    let element = set("a").key(&"x".to_owned(), Kind::Contested);
    let other = set("b").key(&"x".to_owned(), Kind::Contested);
    let flag = root.key(&"a".to_owned(), Kind::DisableWinsFlag);
    let seats = root.key(&"seats".to_owned(), Kind::BoundedCounter);
    let (above, contested) = (set("a"), prop::sample::select(vec![element, other, flag]));
    let moved = proptest::option::of((anybody(), 0..9_u64));
    prop_oneof![
        6 => (contested, dots(), any::<Option<bool>>())
            .prop_map(|(path, ends, put)| (path, Claim::Contest { ends, put })),
        2 => (0..9_u64, 0..9_u64, moved, somebody(), somebody())
            .prop_map(|(granted, spent, moved, retires, yields)| {
                Claim::Rights { granted, spent, moved, retires, yields }
            })
            .prop_map(move |claim| (seats.clone(), claim)),
        1 => vector().prop_map(|seen| Claim::Below { seen })
            .prop_map(move |claim| (above.clone(), claim)),
    ]
}

fn somebody() -> impl Strategy<Value = Option<u128>> {
    proptest::option::of(anybody())
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

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = ((anybody(), 1..6_u64), sums(), (0..4_u64, 0..4_u64, 0..4_u64));
    let row = row.prop_map(|(last, sums, (skipped, up, down))| (last, sums, [skipped, up, down]));
    vec(row, 1..3)
}

fn steps(choices: usize) -> impl Strategy<Value = Step> {
    let at = 0..HONEST.len();
    prop_oneof![
        3 => (at.clone(), 0..choices).prop_map(|(at, choice)| Step::Edit { at, choice }),
        4 => (any::<u8>(), at.clone())
            .prop_map(|(delta, to)| Step::Deliver { delta: delta.into(), to }),
        2 => (at.clone(), at).prop_map(|(from, to)| Step::Merge { from, to }),
    ]
}
