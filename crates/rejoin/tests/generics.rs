//! Type parameters in every position: as key, as value, with bounds, defaults, constants.

use rejoin::crdts::{Atom, Replica};
use rejoin::prelude::{
    Crdt, FreshId, Key, List, LwwRegister, OneOf, OrMap, OrSet, PnCounter, ReplicaId, Tree,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn new<T: Crdt>(id: u128) -> Replica<T> {
    Replica::new(FreshId::assume_fresh(ReplicaId::from_u128(id)))
}

#[derive(Crdt, Default, Clone, Debug)]
struct Shelf<V: Crdt + Clone> {
    items: OrMap<String, V>,
    label: LwwRegister<String>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Book {
    pages: PnCounter,
    notes: Shelf<LwwRegister<String>>,
}

#[test]
fn a_value_may_be_any_crdt_also_one_that_has_parameters() -> Outcome {
    let mut shelf: Replica<Shelf<Book>> = new(1);
    shelf.edit(|shelf| {
        let mut items = shelf.items();
        let mut book = items.entry("Emma");
        book.pages().add(474)?;
        book.notes().items().entry("12").set("a picnic")
    })?;
    let book = shelf.items().at("Emma");
    assert_eq!(book.pages().value()?, 474);
    assert_eq!(book.notes().items().at("12").get()?.as_deref(), Some("a picnic"));
    Ok(())
}

/// The parameter itself is a field.
#[derive(Crdt, Default, Clone, Debug)]
struct Named<V> {
    name: LwwRegister<String>,
    value: V,
}

#[test]
fn a_parameter_may_be_a_field() -> Outcome {
    let mut named: Replica<Named<Named<OrSet<u64>>>> = new(1);
    named.edit(|named| {
        named.name().set("outer")?;
        named.value().value().insert(&7)
    })?;
    assert!(named.value().value().contains(&7));
    Ok(())
}

/// The trait decides the type that a register holds.
trait Unit {
    type Amount: Atom;
}

#[derive(Default, Clone, Debug)]
struct Cents;

impl Unit for Cents {
    type Amount = i64;
}

#[derive(Crdt, Default, Clone, Debug)]
struct Price<U: ?Sized, const DECIMALS: u8 = 2>
where
    U: Unit,
    U::Amount: 'static,
{
    amount: LwwRegister<U::Amount>,
    earlier: List<LwwRegister<<U as Unit>::Amount>>,
}

impl<U: Unit + ?Sized, const DECIMALS: u8> Price<U, DECIMALS>
where
    U::Amount: 'static,
{
    const fn decimals(&self) -> u8 {
        DECIMALS
    }
}

#[test]
fn constants_defaults_and_associated_types_work() -> Outcome {
    let mut price: Replica<Price<Cents>> = new(1);
    let mut exact: Replica<Price<Cents, 4>> = new(2);
    let changed = price.edit(|price| {
        price.amount().set(120)?;
        price.earlier().push()?.set(110)
    })?;
    exact.apply(&changed);
    assert_eq!(exact.amount().get()?, Some(120));
    assert_eq!(exact.earlier().len(), 1);
    assert_eq!((price.decimals(), exact.decimals()), (2, 4));
    Ok(())
}

/// Nests in itself through a map, a list and a tree, under its own name and as `Self`.
#[derive(Crdt, Clone, Debug)]
struct Folder<K: Key + 'static, V: Crdt + Clone + 'static> {
    folders: OrMap<K, Folder<K, V>>,
    recent: List<Self>,
    outline: Tree<Self>,
    value: V,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Name(String); // without a default

impl Atom for Name {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(
        reader: &mut rejoin::vclock::codec::Reader<'_>,
    ) -> Result<Self, rejoin::vclock::codec::DecodeError> {
        String::read(reader).map(Self)
    }
}

impl Key for Name {}

#[test]
fn a_struct_with_parameters_may_nest_in_itself() -> Outcome {
    let mut root: Replica<Folder<Name, PnCounter>> = new(1);
    let (inner, leaf) = (Name("inner".into()), Name("leaf".into()));
    root.edit(|root| {
        root.folders().entry(&inner).folders().entry(&leaf).value().add(3)?;
        root.recent().push()?.value().add(1)
    })?;
    let read = root.folders().at(&inner).folders().at(&leaf).value().value()?;
    assert_eq!(read, 3);
    root.read(|root| {
        let inner = root.folders().at(&inner).folders().at(&leaf).value().value();
        assert_eq!(inner, Ok(3));
    });
    assert_eq!(root.recent().get(0).map(|folder| folder.value().value()), Some(Ok(1)));
    Ok(())
}

/// An enum of a parameter, in a struct of one.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "first declared")]
enum Slot<V: Crdt + Clone, const SIZE: usize> {
    #[default]
    Empty,
    Full {
        first: V,
        rest: OrMap<u64, V>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct Rack<V: Crdt + Clone + 'static> {
    slots: OrMap<String, OneOf<Slot<V, 4>>>,
}

#[test]
fn an_enum_takes_parameters_from_the_struct_that_holds_it() -> Outcome {
    let mut rack: Replica<Rack<Book>> = new(1);
    rack.edit(|rack| {
        let mut slots = rack.slots();
        let mut slot = slots.entry("a");
        let mut full = slot.choose_full()?;
        full.first().pages().add(1)?;
        full.rest().entry(&2).pages().add(2)
    })?;
    let Slot::Full { first, rest } = rack.slots().at("a").get()? else {
        panic!("it was filled");
    };
    assert_eq!((first.pages().value()?, rest.at(&2).pages().value()?), (1, 2));
    Ok(())
}
