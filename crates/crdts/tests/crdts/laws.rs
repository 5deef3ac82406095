//! Every type under the public law kit, as users run it: typed, untyped, and both against each
//! other.
//!
//! The kit's own tests break each law on purpose (`src/laws/wrong.rs`). The right value is not a
//! matter of a law; `exhaustive` and `random` compare with an oracle.

use std::fmt;
use std::marker::PhantomData;

use proptest::strategy::Strategy;
use rejoin_crdts::edit::View;
use rejoin_crdts::laws::{Laws, Operation, ReplicaOf, check_matrix};
use rejoin_crdts::state::load;
use rejoin_crdts::{Crdt, EditError, LwwRegister, OrMap, Path, PnCounter, Replica};
use rejoin_derive::Crdt;

use crate::types::{Lines, Record, Tags, alphabets, every_type};
use crate::world::{Act, Alphabet, Blind, Subject, count, end, write};

every_type!(check_all);

fn check_all<S: Subject>(alphabet: &Alphabet) {
    let typed = Laws::<ReplicaOf<Acts<S>>>::new(acts(alphabet)).cases(cases()).check_all();
    typed.unwrap_or_else(|found| panic!("{found}"));
    let blind = Laws::<ReplicaOf<Blindly<S>>>::new(blindly(alphabet)).cases(cases()).check_all();
    blind.unwrap_or_else(|found| panic!("{found}"));
}

/// A quarter of the usual number: there are many types, each in two forms.
fn cases() -> u32 {
    proptest::test_runner::Config::default().cases.div_ceil(4)
}

/// A transaction of an alphabet, on the typed value.
struct Acts<S>(Vec<Act>, PhantomData<S>);

impl<S: Subject> Operation for Acts<S> {
    type Value = S;
    type View = String;

    fn perform(&self, editor: &mut S::Editor<'_>) -> Result<(), EditError> {
        self.0.iter().try_for_each(|act| S::act(editor, act.place, act.what))
    }

    fn view(replica: &Replica<S>) -> String {
        let mut picture = Default::default();
        replica.show(&mut Vec::new(), &mut picture);
        format!("{picture:?}")
    }
}

/// The same, on a value that does not know its type; its visible form comes from its bytes.
struct Blindly<S>(Acts<S>);

impl<S: Subject> Operation for Blindly<S> {
    type Value = Blind<S>;
    type View = String;

    fn perform(&self, editor: &mut S::Editor<'_>) -> Result<(), EditError> {
        self.0.perform(editor)
    }

    fn view(replica: &Replica<Blind<S>>) -> String {
        let bytes = replica.save();
        let (context, parts) = load(&bytes).expect("what is saved loads");
        let source = parts.with(&context);
        let reader = S::reader(View::new(&source, Path::root(S::KIND)));
        let mut picture = Default::default();
        S::read(&reader, &mut Vec::new(), &mut picture);
        format!("{picture:?}")
    }
}

impl<S> Clone for Acts<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<S> Clone for Blindly<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Acts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<S> fmt::Debug for Blindly<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn acts<S: Subject>(alphabet: &Alphabet) -> impl Strategy<Value = Acts<S>> + use<S> {
    proptest::sample::select(alphabet.clone()).prop_map(|acts| Acts(acts, PhantomData))
}

fn blindly<S: Subject>(alphabet: &Alphabet) -> impl Strategy<Value = Blindly<S>> + use<S> {
    acts(alphabet).prop_map(Blindly)
}

/// A value's typed reader and one that has never heard of the type, in both directions.
#[test]
fn the_typed_and_the_untyped_read_each_other() {
    let alphabet = alphabets::record();
    check_matrix::<ReplicaOf<Acts<Record>>, ReplicaOf<Blindly<Record>>>(
        acts(&alphabet),
        blindly(&alphabet),
    );
}

/// Two versions of a program keep different kinds under one name.
#[test]
fn one_name_as_two_kinds() {
    let (lines, tags) = (alphabets::map_of_counters(), alphabets::map_of_sets());
    check_matrix::<ReplicaOf<Acts<Lines>>, ReplicaOf<Acts<Tags>>>(acts(&lines), acts(&tags));
    check_matrix::<ReplicaOf<Acts<Tags>>, ReplicaOf<Acts<Lines>>>(acts(&tags), acts(&lines));
}

/// [`Record`] before it had tags and a total, when its note was written under another name.
#[derive(Crdt, Clone, Default, Debug)]
#[crdt(crate = rejoin_crdts)]
struct OldRecord {
    lines: OrMap<String, PnCounter>,
    remark: LwwRegister<String>,
}

/// An edit by the old program, on the fields that it knows.
#[derive(Clone, Debug)]
struct OldEdit(Vec<Act>);

impl Operation for OldEdit {
    type Value = OldRecord;
    type View = String;

    fn perform(&self, editor: &mut <OldRecord as Crdt>::Editor<'_>) -> Result<(), EditError> {
        self.0.iter().try_for_each(|act| match act.place {
            [] => editor.clear(),
            ["lines", below @ ..] => Lines::act(&mut editor.lines(), below, act.what),
            _ => LwwRegister::<String>::act(&mut editor.remark(), &[], act.what),
        })
    }

    fn view(replica: &Replica<OldRecord>) -> String {
        let mut picture = Default::default();
        replica.lines().show(&mut Vec::new(), &mut picture);
        format!("{picture:?}, {:?}", replica.remark().get())
    }
}

/// Fields are added and renamed: neither program loses what it does not know.
#[test]
fn an_old_record_and_a_new_one() {
    let old: Alphabet = vec![
        vec![count(&["lines", "a"], 2), write(&["remark"], "x")],
        vec![end(&["lines", "a"])],
        vec![end(&["lines"]), write(&["remark"], "y")],
        vec![end(&["remark"])],
        vec![end(&[])],
    ];
    let old = proptest::sample::select(old).prop_map(OldEdit);
    let new = alphabets::record();
    check_matrix::<ReplicaOf<OldEdit>, ReplicaOf<Acts<Record>>>(old.clone(), acts(&new));
    check_matrix::<ReplicaOf<Acts<Record>>, ReplicaOf<OldEdit>>(acts(&new), old);
}
