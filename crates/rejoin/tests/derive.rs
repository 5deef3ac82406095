//! The promises of `#[derive(Crdt)]`: a struct merges field by field, no matter which fields a copy
//! knows.

use rejoin::crdts::edit::View;
use rejoin::crdts::{Kind, Path, Replica};
use rejoin::prelude::{
    Crdt, EditError, FreshId, Key, LwwRegister, OrMap, OrSet, PnCounter, ReadError, ReplicaId,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Crdt, Default, Clone, Debug)]
struct Cart {
    lines: OrMap<String, Line>,
    note: LwwRegister<String>,
    address: Address,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Line {
    quantity: PnCounter,
    wishes: OrSet<String>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Address {
    street: LwwRegister<String>,
    floor: LwwRegister<i64>,
}

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

fn new<T: Crdt>(id: u128) -> Replica<T> {
    Replica::new(fresh(id))
}

#[test]
fn a_cart_forks_is_edited_apart_and_comes_together() -> Outcome {
    let mut phone: Replica<Cart> = new(1);
    phone.edit(|cart| cart.lines().entry("apples").quantity().add(2))?;
    let mut laptop = phone.fork(fresh(2));
    let by_phone = phone.edit(|cart| {
        cart.lines().entry("apples").quantity().add(1)?;
        cart.address().street().set("Elm Street")
    })?;
    let by_laptop = laptop.edit(|cart| {
        cart.lines().entry("apples").quantity().add(4)?;
        cart.address().floor().set(3)
    })?;
    assert!(phone.apply(&by_laptop));
    assert!(laptop.merge(&phone));
    assert!(!phone.merge(&laptop) && !laptop.apply(&by_phone), "both have everything");
    assert_eq!(phone.save(), laptop.save());
    assert_eq!(laptop.lines().at("apples").quantity().value()?, 7);
    assert_eq!(laptop.address().street().get()?.as_deref(), Some("Elm Street"));
    assert_eq!(laptop.address().floor().get()?, Some(3));
    Ok(())
}

#[test]
fn a_field_continues_where_it_stood() -> Outcome {
    let mut cart: Replica<Cart> = new(1);
    for amount in [2, 3, -1] {
        cart.edit(|cart| cart.lines().entry("apples").quantity().add(amount))?;
        cart.edit(|cart| cart.note().set(amount.to_string()))?;
    }
    assert_eq!(cart.lines().at("apples").quantity().value()?, 4);
    assert_eq!(cart.note().concurrent()?, ["-1"]);
    Ok(())
}

#[test]
fn a_key_exists_while_any_field_below_it_is_visible() -> Outcome {
    let mut cart: Replica<Cart> = new(1);
    cart.edit(|cart| cart.lines().entry("apples").wishes().insert("ripe"))?;
    assert!(cart.lines().get("apples").is_some());
    cart.edit(|cart| cart.lines().entry("apples").wishes().remove("ripe"))?;
    assert!(cart.lines().get("apples").is_none());
    Ok(())
}

#[test]
fn removing_a_key_resets_every_field_below_as_far_as_it_was_seen() -> Outcome {
    let mut phone: Replica<Cart> = new(1);
    phone.edit(|cart| {
        let mut lines = cart.lines();
        let mut apples = lines.entry("apples");
        apples.quantity().add(2)?;
        apples.wishes().insert("ripe")
    })?;
    let mut laptop = phone.fork(fresh(2));
    phone.edit(|cart| cart.lines().remove("apples"))?;
    assert!(phone.lines().get("apples").is_none());
    laptop.edit(|cart| cart.lines().entry("apples").quantity().add(5))?;
    phone.merge(&laptop);
    let apples = phone.lines().at("apples");
    assert_eq!(apples.quantity().value()?, 5);
    assert!(apples.wishes().is_empty());
    Ok(())
}

#[test]
fn clearing_takes_every_field_and_spares_what_it_did_not_see() -> Outcome {
    let mut phone: Replica<Cart> = new(1);
    phone.edit(|cart| {
        cart.note().set("ring twice")?;
        cart.address().floor().set(3)?;
        let mut lines = cart.lines();
        let mut apples = lines.entry("apples");
        apples.quantity().add(2)?;
        // Many wishes, so that the delta names what it saw by its vector.
        (0..40).try_for_each(|wish| apples.wishes().insert(&format!("wish {wish}")))
    })?;
    let mut laptop = phone.fork(fresh(2));
    let unseen = laptop.edit(|cart| cart.lines().entry("apples").wishes().insert("ripe"))?;
    let cleared = phone.edit(|cart| cart.clear())?;
    assert!(cleared.changes().len() < 10, "forty wishes are not named one by one");
    assert!(!Crdt::is_visible(&*phone));
    assert!(phone.edit(|cart| cart.clear())?.is_empty(), "nothing is left to take away");
    phone.apply(&unseen);
    laptop.apply(&cleared);
    assert_eq!(phone.save(), laptop.save());
    assert_eq!(phone.lines().at("apples").wishes().iter().collect::<Vec<_>>(), ["ripe"]);
    assert_eq!(phone.note().get()?, None);
    Ok(())
}

#[test]
fn readers_read_in_a_transaction_and_from_cells() -> Outcome {
    let mut cart: Replica<Cart> = new(1);
    cart.edit(|cart| {
        cart.lines().entry("apples").quantity().add(2)?;
        let apples = cart.reader().lines().at("apples").quantity().value()?;
        assert_eq!(apples, 2, "a transaction sees itself");
        Ok(())
    })?;
    let (context, parts) = rejoin::crdts::state::load(&cart.save())?;
    let source = parts.with(&context);
    let root = || View::new(&source, Path::root(Kind::Map));
    let lines = Cart::reader(root()).lines(); // outlives the struct's reader
    assert_eq!(lines.keys()?, ["apples"]);
    assert_eq!(lines.at("apples").quantity().value()?, 2);
    assert_eq!(Cart::reader(root()).address().floor().get()?, None);
    Ok(())
}

#[derive(Crdt, Default, Debug)]
struct RenamedCart {
    #[crdt(rename = "note")]
    delivery_note: LwwRegister<String>,
}

#[test]
fn a_renamed_field_keeps_its_name_in_every_copy() -> Outcome {
    let mut old: Replica<Cart> = new(1);
    let mut renamed: Replica<RenamedCart> = new(2);
    renamed.apply(&old.edit(|cart| cart.note().set("ring twice"))?);
    assert_eq!(renamed.delivery_note().get()?.as_deref(), Some("ring twice"));
    old.apply(&renamed.edit(|cart| cart.delivery_note().set("ring once"))?);
    assert_eq!(old.note().concurrent()?, ["ring once"]);
    assert_eq!(old.save(), renamed.save());
    Ok(())
}

/// A later version of [`Cart`]: one field more, here and below, and another order.
#[derive(Crdt, Default, Clone, Debug)]
struct LaterCart {
    tags: OrSet<String>,
    note: LwwRegister<String>,
    lines: OrMap<String, LaterLine>,
    address: Address,
}

#[derive(Crdt, Default, Clone, Debug)]
struct LaterLine {
    price: LwwRegister<i64>,
    quantity: PnCounter,
    wishes: OrSet<String>,
}

fn old_and_later() -> Result<(Replica<Cart>, Replica<LaterCart>), EditError> {
    let (mut old, mut later) = (new::<Cart>(1), new::<LaterCart>(2));
    let by_later = later.edit(|cart| {
        cart.tags().insert("gift")?;
        cart.lines().entry("apples").quantity().add(2)?;
        cart.lines().entry("apples").price().set(120)?;
        cart.lines().entry("pears").price().set(90)
    })?;
    let by_old = old.edit(|cart| cart.lines().entry("apples").quantity().add(3))?;
    assert!(old.apply(&by_later));
    assert!(later.apply(&by_old));
    Ok((old, later))
}

#[test]
fn a_struct_keeps_what_it_does_not_know() -> Outcome {
    let (mut old, mut later) = old_and_later()?;
    assert_eq!(old.save(), later.save());
    assert_eq!(old.lines().at("apples").quantity().value()?, 5);
    assert!(old.lines().get("pears").is_none(), "of the pears it knows nothing but that they are");

    let mut loaded = Replica::<Cart>::load(&later.save(), fresh(3))?;
    assert_eq!(loaded.save(), later.save());
    later.apply(&loaded.edit(|cart| cart.note().set("from the old version"))?);
    assert!(old.merge(&loaded));
    assert_eq!(old.save(), later.save());
    let back = Replica::<LaterCart>::load(&old.save(), fresh(4))?;
    assert!(back.tags().contains("gift"));
    assert_eq!(back.lines().at("pears").price().get()?, Some(90));
    Ok(())
}

#[test]
fn removing_takes_away_what_the_remover_does_not_know() -> Outcome {
    let (mut old, mut later) = old_and_later()?;
    later.apply(&old.edit(|cart| cart.lines().remove("apples"))?);
    assert!(later.lines().get("apples").is_none(), "the price went with the line");
    assert!(later.lines().get("pears").is_some());
    assert_eq!(old.save(), later.save());
    later.apply(&old.edit(|cart| cart.clear())?);
    assert!(!Crdt::is_visible(&*later));
    assert_eq!(old.save(), later.save());
    Ok(())
}

/// A version of [`Cart`] by an author for whom a note is a set of remarks.
#[derive(Crdt, Default, Debug)]
struct OtherCart {
    note: OrSet<String>,
}

#[test]
fn one_name_with_two_kinds_keeps_both() -> Outcome {
    let (mut cart, mut other) = (new::<Cart>(1), new::<OtherCart>(2));
    let by_cart = cart.edit(|cart| cart.note().set("ring twice"))?;
    let by_other = other.edit(|cart| cart.note().insert("fragile"))?;
    assert!(cart.apply(&by_other) && other.apply(&by_cart));
    assert_eq!(cart.save(), other.save());
    assert_eq!(cart.note().get()?.as_deref(), Some("ring twice"));
    assert!(other.note().contains("fragile"));

    let clash = cart.edit(|cart| cart.note().get().map(drop).map_err(EditError::Read));
    let Err(EditError::Read(ReadError::KindClash { kinds, .. })) = clash else {
        panic!("a reader says that two kinds stand there: {clash:?}");
    };
    assert_eq!(kinds, [Kind::LwwRegister, Kind::Set]);

    cart.apply(&other.edit(|cart| cart.note().clear())?);
    cart.edit(|cart| {
        assert_eq!(cart.note().get()?.as_deref(), Some("ring twice"));
        Ok(())
    })?;
    Ok(())
}

/// One more version, by an author who never met the others.
#[derive(Crdt, Default, Debug)]
struct CountingCart {
    note: PnCounter,
}

#[derive(Crdt, Default, Debug)]
struct MappingCart {
    note: OrMap<String, LwwRegister<String>>,
}

#[test]
fn a_field_takes_nothing_of_another_kind() -> Outcome {
    let (mut cart, mut other) = (new::<Cart>(1), new::<OtherCart>(2));
    let (mut counting, mut mapping) = (new::<CountingCart>(3), new::<MappingCart>(4));
    let deltas = [
        cart.edit(|cart| cart.note().set("ring twice"))?,
        other.edit(|cart| (0..20).try_for_each(|i| cart.note().insert(&i.to_string())))?,
        counting.edit(|cart| cart.note().add(3))?,
        mapping.edit(|cart| cart.note().entry("gate").set("ring twice"))?,
    ];
    for delta in &deltas {
        cart.apply(delta);
        other.apply(delta);
        counting.apply(delta);
        mapping.apply(delta);
    }
    let cleared = other.edit(|cart| cart.note().clear())?;
    assert_eq!(cleared.changes().len(), 1, "the set's elements end by a vector");
    for changed in [cart.apply(&cleared), counting.apply(&cleared), mapping.apply(&cleared)] {
        assert!(changed, "what stands beside is part of the value");
    }
    assert!(other.note().is_empty());
    assert_eq!(cart.note().get()?.as_deref(), Some("ring twice"));
    assert_eq!(counting.note().value()?, 3);
    assert_eq!(mapping.note().at("gate").get()?.as_deref(), Some("ring twice"));
    for saved in [other.save(), counting.save(), mapping.save()] {
        assert_eq!(saved, cart.save());
    }
    Ok(())
}

#[derive(Crdt, Default, Clone, Debug)]
struct Tally<K: Key, V = PnCounter>
where
    V: Crdt,
{
    votes: OrMap<K, V>,
    last: LwwRegister<K>,
    total: PnCounter,
}

#[test]
fn type_parameters_are_bound_by_the_fields() -> Outcome {
    let mut tally: Replica<Tally<u32>> = new(1);
    let mut nested: Replica<Tally<String, Tally<u32>>> = new(2);
    tally.edit(|tally| {
        tally.votes().entry(&7).add(1)?;
        tally.last().set(7u32)?;
        tally.total().add(1)
    })?;
    nested.edit(|tally| tally.votes().entry("north").votes().entry(&7).add(2))?;
    assert_eq!(tally.votes().at(&7).value()?, 1);
    assert_eq!(nested.votes().at("north").votes().at(&7).value()?, 2);
    Ok(())
}

#[derive(Crdt, Default, Clone, Debug)]
struct Comment {
    text: LwwRegister<String>,
    replies: OrMap<u64, Comment>,
}

#[test]
fn a_struct_may_hold_itself_below_a_map() -> Outcome {
    let mut comment: Replica<Comment> = new(1);
    comment.edit(|comment| {
        comment.text().set("first")?;
        comment.replies().entry(&1).replies().entry(&2).text().set("third")
    })?;
    let mut fork = comment.fork(fresh(2));
    comment.edit(|comment| comment.replies().remove(&1))?;
    fork.edit(|comment| comment.replies().entry(&1).text().set("second"))?;
    fork.merge(&comment);
    let reply = fork.replies().at(&1);
    assert_eq!(reply.text().get()?.as_deref(), Some("second"));
    assert!(reply.replies().is_empty());
    Ok(())
}

macro_rules! record {
    ($name:ident, $field:ident: $ty:ty) => {
        #[derive(Crdt, Default, Clone, Debug)]
        struct $name {
            $field: $ty,
            count: PnCounter,
        }
    };
}
record!(Made, tags: OrSet<String>);

#[test]
fn a_macro_may_write_the_struct() -> Outcome {
    let mut made: Replica<Made> = new(1);
    made.edit(|made| {
        made.tags().insert("gift")?;
        made.count().add(1)?;
        assert!(!made.reader().tags().is_empty()?);
        Ok(())
    })?;
    assert!(made.tags().contains("gift"));
    Ok(())
}

/// The derived code passes a library's lints, whatever the visibilities.
pub mod library {
    #![deny(missing_docs, missing_debug_implementations, unused, unreachable_pub)]
    #![deny(clippy::pedantic)]

    use rejoin::prelude::{Crdt, LwwRegister, OrMap, PnCounter};

    /// An order.
    #[derive(Crdt, Default, Debug)]
    pub struct Order {
        lines: OrMap<String, PnCounter>,
        /// Kind of the order.
        pub r#type: LwwRegister<String>,
        pub(crate) secret: Secret,
    }

    /// Data that only this crate sees.
    #[derive(Crdt, Default, Debug)]
    pub(crate) struct Secret {
        pin: LwwRegister<i64>,
        #[crdt(rename = "merge")]
        merge: PnCounter,
    }

    #[derive(Crdt, Default, Debug)]
    struct Private {
        never_used: PnCounter,
    }

    #[test]
    fn private_structs_work_where_they_are() {
        assert!(!Crdt::is_visible(&Private::default()));
    }
}

#[test]
fn methods_are_as_visible_as_the_struct_and_names_may_be_keywords() -> Outcome {
    let mut order: Replica<library::Order> = new(1);
    order.edit(|order| {
        order.r#type().set("gift")?;
        order.secret().merge().add(1)?;
        order.secret().pin().set(1234)?;
        order.lines().entry("apples").add(2)
    })?;
    assert_eq!(order.r#type().get()?.as_deref(), Some("gift"));
    assert_eq!(order.secret().merge().value()?, 1);
    assert_eq!(order.lines().at("apples").value()?, 2);
    let mut paths = Vec::new();
    order.visit(&Path::root(Kind::Map), &mut |path, _| paths.push(path.to_string()));
    paths.sort_unstable();
    assert_eq!(paths, ["lines/apples", "secret/merge", "secret/pin", "type"]);
    Ok(())
}

/// Editors and readers can be kept: nothing that they come from has to be named first.
#[test]
fn handles_outlive_what_they_come_from() -> Outcome {
    let store = rejoin::Store::memory()?;
    let carts = store.create_space::<Cart>("carts")?;
    carts.transact(|tx| {
        let mut lines = tx.object("ann").into_lines();
        lines.entry("apples").quantity().add(2)?;
        let mut pears = lines.into_entry("pears").into_quantity();
        pears.add(1)?;
        pears.add(1)
    })?;
    let lines = carts.object("ann").lines();
    let apples = carts.object("ann").lines().at("apples").quantity();
    assert_eq!((lines.len()?, apples.value()?), (2, 2));
    let pears = carts.object("ann").lines().get("pears")?.map(|line| line.quantity().value());
    assert_eq!(pears.transpose()?, Some(2));
    Ok(())
}

/// Nothing is asked of a struct but that its fields merge.
#[test]
fn a_struct_needs_no_default() {
    use rejoin::prelude::{List, Store};

    #[derive(Crdt, Clone)]
    struct Line {
        amount: PnCounter,
    }
    #[derive(Crdt)]
    struct Cart {
        lines: OrMap<String, Line>,
        order: List<Line>,
    }
    let mut phone = Replica::<Cart>::new(FreshId::random());
    phone.edit(|cart| cart.lines().entry("apples").amount().add(2)).expect("an edit");
    phone.edit(|cart| cart.order().push()?.amount().add(3)).expect("an edit");
    assert_eq!(phone.lines().get("apples").map(|line| line.amount().value()), Some(Ok(2)));
    let carts = Store::memory().expect("a store").create_space::<Cart>("carts").expect("a space");
    carts.transact(|tx| tx.object("alice").lines().entry("figs").amount().add(1)).expect("written");
    assert_eq!(carts.object("alice").lines().at("figs").amount().value(), Ok(1));
}
