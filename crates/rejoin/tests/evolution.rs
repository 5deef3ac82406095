//! Two versions of a program share their data, whichever of the two is old.
//!
//! Data that a version does not know arrive in three ways, by deltas, in a saved state and in a
//! merge, and are kept byte for byte each time. Data of another kind than the version expects are a
//! named error on the typed read, and the user decides.

use rejoin::crdts::{Delta, Kind, Replica};
use rejoin::prelude::{
    Crdt, Doc, EditError, FreshId, LwwRegister, MvRegister, OneOf, OrMap, OrSet, PnCounter,
    ReadError, ReplicaId,
};
use rejoin::vclock::codec::{Decode, Encode};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

fn new<T: Crdt>(id: u128) -> Replica<T> {
    Replica::new(fresh(id))
}

/// Returns a version's copies of data that another version wrote: by deltas, from a saved state,
/// and by a merge on top of the first delta. All have the writer's bytes.
fn arrived<T: Crdt, W: Crdt>(writer: &Replica<W>, deltas: &[Delta]) -> [Replica<T>; 3] {
    let (mut by_deltas, mut by_merge) = (new::<T>(101), new::<T>(103));
    for delta in deltas {
        let sent = Delta::from_bytes(&delta.to_bytes()).expect("a delta is what it decodes to");
        by_deltas.apply(&sent);
    }
    let loaded = Replica::<T>::load(&writer.save(), fresh(102)).expect("what was saved loads");
    by_merge.apply(&deltas[0]);
    by_merge.merge(&loaded);
    let copies = [by_deltas, loaded, by_merge];
    for copy in &copies {
        assert_eq!(copy.save(), writer.save(), "a version keeps what it does not know");
    }
    copies
}

#[derive(Crdt, Default, Clone, Debug)]
struct Cart {
    lines: OrMap<String, Line>,
    note: LwwRegister<String>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Line {
    quantity: PnCounter,
}

/// A later version: one field more, here and below a key, and another order.
#[derive(Crdt, Default, Clone, Debug)]
struct Later {
    tags: OrSet<String>,
    note: LwwRegister<String>,
    lines: OrMap<String, LaterLine>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct LaterLine {
    price: LwwRegister<i64>,
    quantity: PnCounter,
}

fn by_later() -> Result<(Replica<Later>, [Delta; 2]), EditError> {
    let mut later = new::<Later>(1);
    let first = later.edit(|cart| {
        cart.tags().insert("gift")?;
        cart.lines().entry("apples").quantity().add(2)
    })?;
    let second = later.edit(|cart| cart.lines().entry("apples").price().set(120))?;
    Ok((later, [first, second]))
}

#[test]
fn an_old_version_keeps_a_field_that_was_added() -> Outcome {
    let (later, deltas) = by_later()?;
    for mut old in arrived::<Cart, _>(&later, &deltas) {
        assert_eq!(old.lines().at("apples").quantity().value()?, 2);
        let mut later = Replica::<Later>::load(&later.save(), fresh(2))?;
        let changed = old.edit(|cart| {
            cart.note().set("ring twice")?;
            cart.lines().entry("apples").quantity().add(1)
        })?;
        assert!(later.apply(&changed));
        assert_eq!(later.save(), old.save());
        assert!(later.tags().contains("gift"));
        let apples = later.lines().at("apples");
        assert_eq!((apples.quantity().value()?, apples.price().get()?), (3, Some(120)));
    }
    Ok(())
}

#[test]
fn a_new_version_reads_what_an_old_one_wrote() -> Outcome {
    let mut old = new::<Cart>(1);
    let deltas = [
        old.edit(|cart| cart.note().set("ring twice"))?,
        old.edit(|cart| cart.lines().entry("apples").quantity().add(2))?,
    ];
    for mut later in arrived::<Later, _>(&old, &deltas) {
        assert_eq!(later.note().get()?.as_deref(), Some("ring twice"));
        assert_eq!(later.lines().at("apples").price().get()?, None);
        let changed = later.edit(|cart| cart.lines().entry("apples").price().set(90))?;
        let mut old = Replica::<Cart>::load(&old.save(), fresh(2))?;
        assert!(old.apply(&changed), "the price is there, though nobody here can see it");
        assert_eq!(old.save(), later.save());
    }
    Ok(())
}

/// A later version without the note.
#[derive(Crdt, Default, Clone, Debug)]
struct WithoutNote {
    lines: OrMap<String, Line>,
}

#[test]
fn a_field_that_was_removed_is_kept_until_somebody_takes_it_away() -> Outcome {
    let mut old = new::<Cart>(1);
    let deltas = [
        old.edit(|cart| cart.note().set("ring twice"))?,
        old.edit(|cart| cart.lines().entry("apples").quantity().add(2))?,
    ];
    for mut later in arrived::<WithoutNote, _>(&old, &deltas) {
        let mut old = Replica::<Cart>::load(&old.save(), fresh(2))?;
        old.apply(&later.edit(|cart| cart.lines().remove("apples"))?);
        assert_eq!(old.note().get()?.as_deref(), Some("ring twice"));
        old.apply(&later.edit_as::<Doc>(|doc| doc.remove("note"))?);
        assert_eq!(old.note().get()?, None);
        assert_eq!(old.save(), later.save());
    }
    Ok(())
}

/// A later version in which the note got a better name, for people and for copies.
#[derive(Crdt, Default, Clone, Debug)]
struct Renamed {
    lines: OrMap<String, Line>,
    delivery_note: LwwRegister<String>,
}

/// A version in which it got a better name for people alone.
#[derive(Crdt, Default, Clone, Debug)]
struct RenamedWell {
    lines: OrMap<String, Line>,
    #[crdt(rename = "note")]
    delivery_note: LwwRegister<String>,
}

#[test]
fn a_field_that_was_renamed_is_another_field_unless_copies_know_it_by_the_old_name() -> Outcome {
    let mut old = new::<Cart>(1);
    let deltas = [old.edit(|cart| cart.note().set("ring twice"))?];
    for mut later in arrived::<Renamed, _>(&old, &deltas) {
        assert_eq!(later.delivery_note().get()?, None);
        later.edit(|cart| cart.delivery_note().set("at the back"))?;
        let back = Replica::<Cart>::load(&later.save(), fresh(2))?;
        assert_eq!(back.note().get()?.as_deref(), Some("ring twice"));
    }
    for mut later in arrived::<RenamedWell, _>(&old, &deltas) {
        assert_eq!(later.delivery_note().get()?.as_deref(), Some("ring twice"));
        later.edit(|cart| cart.delivery_note().set("at the back"))?;
        let back = Replica::<Cart>::load(&later.save(), fresh(2))?;
        assert_eq!(back.note().get()?.as_deref(), Some("at the back"));
    }
    Ok(())
}

/// A later version that keeps every note, and a price where the quantity was.
#[derive(Crdt, Default, Clone, Debug)]
struct OtherKinds {
    lines: OrMap<String, OtherLine>,
    note: MvRegister<String>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct OtherLine {
    quantity: LwwRegister<i64>,
}

fn wrong_kind<T>(read: Result<T, ReadError>, expected: Kind, found: Kind) {
    match read {
        Err(ReadError::WrongKind { expected: asked, found: stands, .. }) => {
            assert_eq!((asked, stands), (expected, found));
        }
        Err(other) => panic!("it is another error: {other}"),
        Ok(_) => panic!("it is read as if nothing stood there"),
    }
}

#[test]
fn a_kind_that_was_changed_is_a_named_error_until_the_user_decides() -> Outcome {
    let mut old = new::<Cart>(1);
    let deltas = [
        old.edit(|cart| cart.note().set("ring twice"))?,
        old.edit(|cart| cart.lines().entry("apples").quantity().add(2))?,
    ];
    for mut later in arrived::<OtherKinds, _>(&old, &deltas) {
        // Only the other kind stands.
        let note = later.read(|cart| cart.note().values());
        wrong_kind(note, Kind::MvRegister, Kind::LwwRegister);
        let quantity = later.read(|cart| cart.lines().at("apples").quantity().get());
        wrong_kind(quantity, Kind::LwwRegister, Kind::Counter);

        // Both kinds stand, and neither has overwritten the other.
        later.edit(|cart| cart.note().set("ring once"))?;
        let clash = later.read(|cart| cart.note().values());
        let Err(ReadError::KindClash { kinds, path }) = clash else {
            panic!("two kinds stand there: {clash:?}");
        };
        assert_eq!(kinds, [Kind::MvRegister, Kind::LwwRegister]);
        assert!(path.to_string().ends_with("note"), "{path}");
        let back = Replica::<Cart>::load(&later.save(), fresh(2))?;
        assert_eq!(back.note().get()?.as_deref(), Some("ring twice"));

        // The user takes one away, and everybody reads again.
        later.edit_as::<Doc>(|doc| doc.remove_kind("note", Kind::LwwRegister))?;
        assert_eq!(later.read(|cart| cart.note().values())?, ["ring once"]);
        later.edit_as::<Doc>(|doc| {
            let mut lines = doc.at::<Doc>("lines");
            lines.at::<Doc>("apples").remove_kind("quantity", Kind::Counter)
        })?;
        later.edit(|cart| cart.lines().entry("apples").quantity().set(2))?;
        let quantity = later.read(|cart| cart.lines().at("apples").quantity().get())?;
        assert_eq!(quantity, Some(2));
    }
    Ok(())
}

#[test]
fn an_old_version_names_the_kind_that_a_new_one_wrote() -> Outcome {
    let mut later = new::<OtherKinds>(1);
    let deltas = [later.edit(|cart| cart.note().set("ring once"))?];
    for mut old in arrived::<Cart, _>(&later, &deltas) {
        wrong_kind(old.read(|cart| cart.note().get()), Kind::LwwRegister, Kind::MvRegister);
        let changed = old.edit(|cart| cart.note().set("ring twice"))?;
        let mut later = Replica::<OtherKinds>::load(&later.save(), fresh(2))?;
        later.apply(&changed);
        assert_eq!(later.save(), old.save());
        let clash = later.read(|cart| cart.note().values());
        assert!(matches!(clash, Err(ReadError::KindClash { .. })), "{clash:?}");
        old.apply(&later.edit_as::<Doc>(|doc| doc.remove_kind("note", Kind::MvRegister))?);
        assert_eq!(old.read(|cart| cart.note().get())?.as_deref(), Some("ring twice"));
    }
    Ok(())
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "first declared")]
enum Payment {
    #[default]
    Open,
    Card {
        last_four: LwwRegister<String>,
    },
}

/// A later version: one variant more, and one field more in an existing variant.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "first declared")]
enum LaterPayment {
    #[default]
    Open,
    Card {
        tries: PnCounter,
        last_four: LwwRegister<String>,
    },
    Invoice {
        number: LwwRegister<String>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct Order {
    payment: OneOf<Payment>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct LaterOrder {
    payment: OneOf<LaterPayment>,
}

#[test]
fn an_old_version_keeps_a_variant_that_was_added() -> Outcome {
    let mut later = new::<LaterOrder>(1);
    let deltas = [
        later.edit(|order| order.payment().choose_card()?.tries().add(1))?,
        later.edit(|order| order.payment().choose_invoice()?.number().set("7"))?,
    ];
    for old in arrived::<Order, _>(&later, &deltas) {
        let unknown = ReadError::UnknownVariant { name: "Invoice".into() };
        assert_eq!(old.payment().get().map(drop), Err(unknown));
    }
    for mut old in arrived::<Order, _>(&later, &deltas) {
        let left = old.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?;
        let mut later = Replica::<LaterOrder>::load(&later.save(), fresh(2))?;
        later.apply(&left);
        assert_eq!(later.save(), old.save());
        let LaterPayment::Card { tries, last_four } = later.payment().get()? else {
            panic!("the old version chose a card");
        };
        assert_eq!((tries.value()?, last_four.get()?.as_deref()), (0, Some("4242")));
        assert_eq!(later.payment().invoice().number().get()?, None);
    }
    Ok(())
}

#[test]
fn a_new_version_reads_the_variants_of_an_old_one() -> Outcome {
    let mut old = new::<Order>(1);
    let deltas = [old.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?];
    for mut later in arrived::<LaterOrder, _>(&old, &deltas) {
        later.edit(|order| order.payment().card().tries().add(1))?;
        let LaterPayment::Card { tries, last_four } = later.payment().get()? else {
            panic!("a card was chosen");
        };
        assert_eq!((tries.value()?, last_four.get()?.as_deref()), (1, Some("4242")));
        let back = Replica::<Order>::load(&later.save(), fresh(2))?;
        assert!(matches!(back.payment().get()?, Payment::Card { .. }));
    }
    Ok(())
}

/// A version in which the clock decides, which needs another register.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "latest")]
enum TimedPayment {
    #[default]
    Open,
    Card {
        last_four: LwwRegister<String>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct TimedOrder {
    payment: OneOf<TimedPayment>,
}

#[test]
fn a_rule_that_was_changed_is_a_named_error_until_the_user_decides() -> Outcome {
    let mut old = new::<Order>(1);
    let deltas = [old.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?];
    for mut timed in arrived::<TimedOrder, _>(&old, &deltas) {
        let read = timed.read(|order| order.payment().get());
        wrong_kind(read, Kind::LwwRegister, Kind::MvRegister);
        let chosen = timed.edit(|order| order.payment().choose_open());
        assert!(matches!(chosen, Err(EditError::Read(ReadError::WrongKind { .. }))), "{chosen:?}");
        timed.edit_as::<Doc>(|doc| {
            let mut payment = doc.at::<Doc>("payment");
            payment.remove_kind("variant", Kind::MvRegister)?;
            payment.set("variant", "Card")
        })?;
        assert!(matches!(timed.payment().get()?, TimedPayment::Card { .. }));
        assert_eq!(timed.payment().card().last_four().get()?.as_deref(), Some("4242"));
    }
    Ok(())
}
