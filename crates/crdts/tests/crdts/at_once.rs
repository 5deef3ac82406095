//! A read that a user asks for sees one moment, whatever the type: a space takes its lock once.

use std::cell::Cell as Count;
use std::fmt;
use std::ops::ControlFlow;

use rejoin_crdts::cell::CellRef;
use rejoin_crdts::delta::Causal;
use rejoin_crdts::edit::{Cursor, Draft, Source, Staged, View};
use rejoin_crdts::ordered::{Order, Parent};
use rejoin_crdts::path::{Kind, Path};
use rejoin_crdts::state::{Context, LocalDot, Parts};
use rejoin_crdts::{
    BoundedCounter, Crdt, Delta, Doc, Dot, EnableWinsFlag, List, LwwRegister, MaxRegister,
    MvRegister, OneOf, OrMap, OrSet, PnCounter, ReadError, Tree,
};
use rejoin_derive::Crdt;
use rejoin_vclock::HybridTimestamp;

use crate::world::id;

/// A source behind a lock: it counts how often it is taken, and refuses to be taken twice.
struct Locked<'a> {
    inner: &'a dyn Source,
    taken: Count<u32>,
    is_held: Count<bool>,
}

impl Locked<'_> {
    fn take<R>(&self, read: impl FnOnce(&dyn Source) -> R) -> R {
        assert!(!self.is_held.replace(true), "it would wait for itself");
        self.taken.set(self.taken.get() + 1);
        let result = read(self.inner);
        self.is_held.set(false);
        result
    }
}

impl fmt::Debug for Locked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked")
    }
}

impl Source for Locked<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.take(|inner| inner.look(path, show))
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.take(|inner| inner.visit(below, from, visit))
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.take(|inner| inner.dot(local))
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.take(|inner| inner.other_kind(name, than))
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        self.take(|inner| inner.order(list, show))
    }

    fn at_once(&self, show: &mut dyn FnMut(&dyn Source)) -> Result<(), ReadError> {
        self.take(|inner| {
            show(inner);
            Ok(())
        })
    }
}

/// Edits a value deep in maps, and counts the locks of a read.
fn locks<T: Crdt, R: fmt::Debug>(
    edit: impl FnOnce(T::Editor<'_>),
    read: impl FnOnce(T::Reader<'_>) -> Result<R, ReadError>,
) -> u32 {
    let causal = Causal::<Delta>::new(Context::default(), id(1), 0).expect("room for a replica");
    let parts = Parts::default();
    let base = parts.with(causal.context());
    let stamp = HybridTimestamp::default();
    let mut draft = Draft::new(Staged::over(&base), causal.context(), causal.own(), stamp);
    let path = Path::object("shop", Kind::Map).field("carts", Kind::Map).field("ann", T::KIND);
    edit(T::editor(Cursor::new(&mut draft, path.clone())));
    let locked = Locked { inner: &draft, taken: Count::new(0), is_held: Count::new(false) };
    let shown = read(T::reader(View::new(&locked, path)));
    assert!(shown.is_ok(), "{shown:?}");
    locked.taken.get()
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "latest", crate = rejoin_crdts)]
enum Payment {
    #[default]
    Open,
    Card {
        number: LwwRegister<u64>,
        name: LwwRegister<String>,
    },
}

#[derive(Crdt, Default, Clone)]
#[crdt(crate = rejoin_crdts)]
struct Pair {
    a: LwwRegister<u64>,
    b: LwwRegister<u64>,
}

#[test]
fn a_read_takes_the_lock_once() {
    type Names = OrMap<String, PnCounter>;
    let counts = [
        locks::<LwwRegister<u64>, _>(|mut it| it.set(7_u64).expect("an edit"), |it| it.get()),
        locks::<LwwRegister<u64>, _>(
            |mut it| it.set(7_u64).expect("an edit"),
            |it| it.concurrent(),
        ),
        locks::<MvRegister<u64>, _>(|mut it| it.set(7_u64).expect("an edit"), |it| it.values()),
        locks::<MaxRegister<u64>, _>(|mut it| it.set(7_u64).expect("an edit"), |it| it.get()),
        locks::<PnCounter, _>(|mut it| it.add(7).expect("an edit"), |it| it.value()),
        locks::<PnCounter, _>(|mut it| it.add(7).expect("an edit"), |it| it.contributions()),
        locks::<BoundedCounter, _>(|mut it| it.add(7).expect("an edit"), |it| it.value()),
        locks::<BoundedCounter, _>(|mut it| it.add(7).expect("an edit"), |it| it.holders()),
        locks::<EnableWinsFlag, _>(|mut it| it.enable().expect("an edit"), |it| it.is_enabled()),
        locks::<OrSet<u8>, _>(|mut it| it.insert(&7).expect("an edit"), |it| it.contains(&7)),
        locks::<OrSet<u8>, _>(|mut it| it.insert(&7).expect("an edit"), |it| it.items()),
        locks::<OrSet<u8>, _>(|mut it| it.insert(&7).expect("an edit"), |it| it.len()),
        locks::<OrSet<u8>, _>(|mut it| it.insert(&7).expect("an edit"), |it| it.is_empty()),
        locks::<OrSet<u8>, _>(|mut it| it.insert(&7).expect("an edit"), |it| it.signers(&7)),
        locks::<Names, _>(|mut it| it.entry("a").add(1).expect("an edit"), |it| it.keys()),
        locks::<Names, _>(|mut it| it.entry("a").add(1).expect("an edit"), |it| it.len()),
        locks::<Names, _>(|mut it| it.entry("a").add(1).expect("an edit"), |it| it.at("a").value()),
        locks::<Names, _>(
            |mut it| it.entry("a").add(1).expect("an edit"),
            |it| it.contains_key("a"),
        ),
        locks::<Doc, _>(|mut it| it.set("a", "b").expect("an edit"), |it| it.value()),
        locks::<Doc, _>(|mut it| it.set("a", "b").expect("an edit"), |it| it.names()),
        locks::<Doc, _>(|mut it| it.set("a", "b").expect("an edit"), |it| it.get::<String>("a")),
        locks::<List<PnCounter>, _>(
            |mut it| it.push().and_then(|mut it| it.add(1)).expect("an edit"),
            |it| it.len(),
        ),
        locks::<OrMap<String, Pair>, _>(
            |mut it| it.entry("k").a().set(1_u64).expect("an edit"),
            |it| it.missing_fields("k"),
        ),
        locks::<OneOf<Payment>, _>(
            |mut it| {
                it.choose_card().and_then(|mut card| card.number().set(1_u64)).expect("an edit");
            },
            |it| it.get(),
        ),
        locks::<OneOf<Payment>, _>(
            |mut it| it.choose_card().map(drop).expect("an edit"),
            |it| it.variant(),
        ),
        locks::<Tree<PnCounter>, _>(
            |mut it| _ = it.create(Parent::Root).expect("an edit"),
            |it| it.outline(),
        ),
    ];
    assert!(counts.iter().all(|&count| count == 1), "{counts:?}");
}
