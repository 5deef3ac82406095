//! The laws of a join, held by every type, typed and untyped.
//!
//! Three copies go apart by a random script; then states are merged, and deltas are applied, in
//! every order that the law names.

use proptest::test_runner::{Config, TestRunner};
use rejoin_crdts::{Crdt, Delta, Replica};

use crate::random::{fit, ids, steps};
use crate::types::every_type;
use crate::world::{Alphabet, Blind, Saved, Subject, World, fresh};

every_type!(check_all);

fn check_all<S: Subject>(alphabet: &Alphabet) {
    let choices = proptest::collection::vec(0..alphabet.len(), 3);
    let strategy = (ids(), proptest::collection::vec(steps(alphabet.len()), 1..24), choices);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&strategy, |(ids, script, choices)| {
        let mut world = World::<S>::new(&ids, alphabet, Saved::new());
        for step in script {
            fit(step, world.history.len()).map(|step| world.perform(step));
        }
        let edits = Edits { alphabet, choices: &choices };
        let typed: Vec<_> = world.sites.iter().map(|site| &site.typed).collect();
        edits.check::<S, S>(&world, typed[0], typed[1], typed[2]);
        let blind: Vec<_> = world.sites.iter().map(|site| &site.blind).collect();
        edits.check::<S, Blind<S>>(&world, blind[0], blind[1], blind[2]);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// `ours` joined with `theirs`, both left as they are.
fn join<T: Crdt + Clone>(ours: &Replica<T>, theirs: &Replica<T>) -> Replica<T> {
    let mut joined = ours.fork(fresh(70));
    joined.merge(theirs);
    joined
}

struct Edits<'a> {
    alphabet: &'a Alphabet,
    choices: &'a [usize],
}

impl Edits<'_> {
    fn check<S, T>(&self, world: &World<S>, a: &Replica<T>, b: &Replica<T>, c: &Replica<T>)
    where
        S: Subject,
        T: for<'a> Crdt<Editor<'a> = S::Editor<'a>> + Clone,
    {
        commutes(a, b);
        associates(a, b, c);
        only_grows(a, b);
        agrees_with_the_order(a, b);
        self.delta_is_the_mutation::<S, T>(a, b);
        self.concurrent_deltas_in_any_order::<S, T>(a, b, c);
        held_back_or_again::<S, T>(world);
    }

    fn edit<S, T>(&self, replica: &mut Replica<T>, choice: usize) -> Delta
    where
        S: Subject,
        T: for<'a> Crdt<Editor<'a> = S::Editor<'a>>,
    {
        let acts = &self.alphabet[self.choices[choice]];
        let edit = |editor: &mut S::Editor<'_>| {
            acts.iter().try_for_each(|act| S::act(editor, act.place, act.what))
        };
        replica.edit(edit).expect("the alphabet's transactions are legal")
    }

    /// A delta joined in is the mutation, at whoever has what it depends on.
    fn delta_is_the_mutation<S, T>(&self, a: &Replica<T>, b: &Replica<T>)
    where
        S: Subject,
        T: for<'a> Crdt<Editor<'a> = S::Editor<'a>> + Clone,
    {
        let mut writer = a.fork(fresh(71));
        let delta = self.edit::<S, T>(&mut writer, 0);
        let mut reader = a.fork(fresh(72));
        assert!(reader.apply(&delta) || reader.save() == writer.save());
        assert_eq!(reader.save(), writer.save(), "delta joined in = the mutation: {delta:?}");
        let mut further = join(a, b);
        further.apply(&delta);
        assert_eq!(further.save(), join(b, &writer).save(), "by delta and by state: {delta:?}");
    }

    /// Three copies change something at once; all orders in which the deltas come are one.
    fn concurrent_deltas_in_any_order<S, T>(&self, a: &Replica<T>, b: &Replica<T>, c: &Replica<T>)
    where
        S: Subject,
        T: for<'a> Crdt<Editor<'a> = S::Editor<'a>> + Clone,
    {
        let base = join(&join(a, b), c);
        let deltas: Vec<Delta> = (0..3)
            .map(|writer| self.edit::<S, T>(&mut base.fork(fresh(80 + writer as u128)), writer))
            .collect();
        let mut saved = Vec::new();
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut reader = base.fork(fresh(90));
            order.iter().for_each(|&delta| _ = reader.apply(&deltas[delta]));
            saved.push(reader.save());
        }
        assert!(saved.iter().all(|bytes| *bytes == saved[0]), "orders of {deltas:?} differ");
    }
}

fn commutes<T: Crdt + Clone>(a: &Replica<T>, b: &Replica<T>) {
    assert_eq!(join(a, b).save(), join(b, a).save(), "a join b = b join a");
}

fn associates<T: Crdt + Clone>(a: &Replica<T>, b: &Replica<T>, c: &Replica<T>) {
    let left = join(&join(a, b), c).save();
    assert_eq!(left, join(a, &join(b, c)).save(), "(a join b) join c = a join (b join c)");
}

/// Nothing is forgotten by a merge, and what is covered changes nothing.
fn only_grows<T: Crdt + Clone>(a: &Replica<T>, b: &Replica<T>) {
    let mut joined = join(a, b);
    let bytes = joined.save();
    for part in [a, b] {
        assert!(joined.version_vector().covers(&part.version_vector()));
        assert!(!joined.merge(part), "merging a part again changes nothing");
    }
    assert!(!joined.merge(&joined.fork(fresh(73))), "a join a = a");
    assert_eq!(joined.save(), bytes);
}

/// Two sources of truth for "has seen all that": the vectors, and what a merge says.
fn agrees_with_the_order<T: Crdt + Clone>(a: &Replica<T>, b: &Replica<T>) {
    let covered = a.version_vector().covers(&b.version_vector());
    assert_eq!(a.fork(fresh(74)).merge(b), !covered);
}

/// Backwards, and everything twice: held back, applied once, and the same in the end.
fn held_back_or_again<S: Subject, T: Crdt + Clone>(world: &World<S>) {
    let (mut forth, mut back) = (Replica::<T>::new(fresh(75)), Replica::<T>::new(fresh(76)));
    for event in 0..world.history.len() {
        let delta = world.delta(event);
        assert!(!forth.apply(delta) || !forth.apply(delta), "applied twice");
        assert!(!forth.apply(delta), "applied a third time");
    }
    for _ in 0..2 {
        (0..world.history.len()).rev().for_each(|event| _ = back.apply(world.delta(event)));
    }
    assert_eq!((forth.held(), back.held()), (0, 0));
    assert_eq!(forth.save(), back.save(), "forwards and backwards");
}
