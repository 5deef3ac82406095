//! A value of every kind, with every way to read it: the rows of the tables of kinds.
//!
//! The tests of spaces, in the crate `rejoin`, use the same samples.

use rejoin_crdts::ordered::{NodeId, Parent};
use rejoin_crdts::{
    BoundedCounter, Crdt, DisableWinsFlag, Doc, EditError, EnableWinsFlag, FreshId, GCounter, GSet,
    Kind, List, LwwRegister, MaxRegister, MinRegister, MvRegister, OrMap, OrSet, Path, PnCounter,
    ReadError, Replica, ReplicaId, RwSet, Tree, TwoPhaseSet,
};

/// The answer of each call: its name, and its error if it failed.
pub(crate) type Answers<E> = Vec<(&'static str, Option<E>)>;

/// A type of one kind.
pub(crate) trait Sample: Crdt + Clone + 'static {
    /// Makes something visible.
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError>;

    /// Calls every method of the reader.
    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError>;

    /// Calls every method of the editor that reads, or that takes away the data it finds.
    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError>;
}

/// An action for each sample.
pub(crate) trait PerSample {
    /// Runs it for one sample.
    fn with<S: Sample>(&mut self);
}

/// Each sample that can stand below a map's key, where it can be taken away.
pub(crate) fn each_resettable(visit: &mut impl PerSample) {
    visit.with::<OrMap<String, PnCounter>>();
    visit.with::<Doc>();
    visit.with::<Record>();
    visit.with::<OrSet<String>>();
    visit.with::<PnCounter>();
    visit.with::<LwwRegister<String>>();
    visit.with::<GCounter>();
    visit.with::<MvRegister<String>>();
    visit.with::<MaxRegister<u64>>();
    visit.with::<MinRegister<u64>>();
    visit.with::<EnableWinsFlag>();
    visit.with::<DisableWinsFlag>();
    visit.with::<GSet<String>>();
    visit.with::<RwSet<String>>();
    visit.with::<TwoPhaseSet<String>>();
    visit.with::<List<LwwRegister<String>>>();
    visit.with::<Tree<LwwRegister<String>>>();
}

/// Each sample.
pub(crate) fn each(visit: &mut impl PerSample) {
    each_resettable(visit);
    visit.with::<BoundedCounter>();
}

/// Checks that every answer of a reader is an error that names both kinds and the place.
pub(crate) fn assert_refused(answers: &Answers<ReadError>, at: &str, [expected, found]: [Kind; 2]) {
    assert!(!answers.is_empty());
    for (call, error) in answers {
        let Some(ReadError::WrongKind { path, expected: asked, found: stands }) = error else {
            panic!("a {found} at {at}, read as a {expected}: {call} says {error:?}")
        };
        assert_eq!((path.to_string().as_str(), *asked, *stands), (at, expected, found), "{call}");
        let told = error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(told.contains(&format!("read it as a {found}")), "{told}");
        // A bounded counter cannot be taken away.
        assert_eq!(told.contains("remove_kind"), found != Kind::BoundedCounter, "{told}");
    }
}

/// As [`assert_refused`], for the answers of an editor.
pub(crate) fn assert_edits_refused(answers: Answers<EditError>, at: &str, kinds: [Kind; 2]) {
    let read = |error| match error {
        Some(EditError::Read(error)) => Some(error),
        other => panic!("{kinds:?} at {at}: {other:?}"),
    };
    let answers = answers.into_iter().map(|(call, error)| (call, read(error))).collect();
    assert_refused(&answers, at, kinds);
}

/// Checks that every answer of a reader is a clash of these kinds.
pub(crate) fn assert_clash(answers: &Answers<ReadError>, at: &str, kinds: &[Kind]) -> Path {
    for (call, error) in answers {
        let Some(ReadError::KindClash { path, kinds: named }) = error else {
            panic!("{kinds:?} at {at}: {call} says {error:?}")
        };
        assert_eq!((path.to_string().as_str(), named.as_slice()), (at, kinds), "{call}");
    }
    let Some((_, Some(ReadError::KindClash { path, .. }))) = answers.first() else {
        panic!("nothing was read")
    };
    path.clone()
}

/// Checks that no call failed.
pub(crate) fn assert_read(answers: &Answers<ReadError>) {
    assert!(answers.iter().all(|(_, error)| error.is_none()), "{answers:?}");
}

/// A struct, which is a map of its fields.
#[derive(rejoin_derive::Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
pub(crate) struct Record {
    note: LwwRegister<String>,
    tags: OrSet<String>,
}

/// `answers![reader; keys(), len()]`: each call by name, with its error.
macro_rules! answers {
    ($handle:expr; $($call:ident($($argument:expr),*)),* $(,)?) => {
        vec![$((stringify!($call), $handle.$call($($argument),*).err().map(Into::into)),)*]
    };
}

impl Sample for Record {
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
        editor.note().set("ring twice")
    }

    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
        let mut found = answers![reader.note(); get(), concurrent()];
        found.extend(answers![reader.tags(); items(), len(), is_empty(), contains("x")]);
        found
    }

    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
        let mut found = answers![editor.tags(); remove("x"), clear()];
        found.extend(answers![editor; clear()]);
        found
    }
}

impl Sample for OrMap<String, PnCounter> {
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
        editor.entry("pears").add(2)
    }

    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
        let mut found = answers![
            reader; keys(), len(), is_empty(), contains_key("pears"), page(None::<&str>, 0),
            page(Some("a"), 9),
        ];
        found.push(("get", reader.get("pears").err()));
        found.extend(answers![reader.at("pears"); value()]);
        found
    }

    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
        let mut found = answers![editor; remove("pears"), clear()];
        found.extend(answers![editor.reader(); keys(), len()]);
        found.extend(answers![editor.entry("pears"); value()]);
        found
    }
}

impl Sample for Doc {
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
        editor.set("title", "Shopping")
    }

    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
        let mut found = answers![reader; names(), value()];
        found.push(("get", reader.get::<String>("title").err()));
        found.extend(answers![reader.at::<OrSet<String>>("tags"); items(), contains("x")]);
        found
    }

    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
        let mut found = answers![editor; remove("title"), clear()];
        found.extend(answers![editor.reader(); names(), value()]);
        found
    }
}

/// All sets are read in the same way.
macro_rules! set_sample {
    ($set:ident; $($edit:ident($($argument:expr),*)),*) => {
        impl Sample for $set<String> {
            fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
                editor.insert("ripe")
            }

            fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
                answers![
                    reader; items(), len(), is_empty(), contains("ripe"), page(None::<&str>, 0),
                    page(Some("a"), 9),
                ]
            }

            fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
                answers![editor; contains("ripe"), $($edit($($argument),*)),*]
            }
        }
    };
}
set_sample!(OrSet; remove("ripe"), clear());
set_sample!(GSet;);
set_sample!(RwSet; clear());
set_sample!(TwoPhaseSet;);

/// A leaf has one value, in several forms.
macro_rules! leaf_sample {
    (
        $leaf:ty;
        $write:ident($($value:expr),*);
        $($read:ident),*;
        $($edit:ident($($with:expr),*)),*
    ) => {
        impl Sample for $leaf {
            fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
                editor.$write($($value),*)
            }

            fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
                answers![reader; $($read()),*]
            }

            fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
                answers![editor; $($edit($($with),*)),*]
            }
        }
    };
}
leaf_sample!(PnCounter; add(1); value; value());
leaf_sample!(GCounter; add(1); value; value());
leaf_sample!(LwwRegister<String>; set("x"); get, concurrent; get(), clear());
leaf_sample!(MvRegister<String>; set("x"); values; values(), clear());
leaf_sample!(MaxRegister<u64>; set(1u64); get; get(), clear());
leaf_sample!(MinRegister<u64>; set(1u64); get; get(), clear());
leaf_sample!(EnableWinsFlag; enable(); is_enabled; is_enabled(), disable());
leaf_sample!(DisableWinsFlag; enable(); is_enabled; is_enabled());
leaf_sample!(BoundedCounter; add(5); value, holders; value(), rights(), spend(1));

impl Sample for List<LwwRegister<String>> {
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
        editor.push()?.set("a")
    }

    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
        let mut found = answers![reader; len(), is_empty()];
        found.push(("items", reader.items().err()));
        found.push(("get", reader.get(0).err()));
        found
    }

    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
        let mut found = answers![
            editor; len(), is_empty(), remove(0), move_to(0, 1), id_at(0), clear()
        ];
        found.push(("push", editor.push().err()));
        found.push(("insert", editor.insert(0).err()));
        found.push(("at", editor.at(0).err()));
        found
    }
}

impl Sample for Tree<LwwRegister<String>> {
    fn write(editor: &mut Self::Editor<'_>) -> Result<(), EditError> {
        let node = editor.create(Parent::Root)?;
        editor.node(node)?.set("a")
    }

    fn reads(reader: &Self::Reader<'_>) -> Answers<ReadError> {
        vec![("outline", reader.outline().err()), ("get", reader.get(some_node()).err())]
    }

    fn edits(editor: &mut Self::Editor<'_>) -> Answers<EditError> {
        let node = some_node();
        let mut found = answers![
            editor; outline(), remove(node), move_to(node, Parent::Root),
            create(Parent::Node(node)), clear(),
        ];
        found.push(("node", editor.node(node).err()));
        found
    }
}

/// A node of another tree.
fn some_node() -> NodeId {
    let id = FreshId::assume_fresh(ReplicaId::from_u128(99));
    let (mut tree, mut node) = (Replica::<Tree<PnCounter>>::new(id), None);
    let made = tree.edit(|tree| {
        node = Some(tree.create(Parent::Root)?);
        Ok(())
    });
    made.expect("a legal edit");
    node.expect("it was made")
}
