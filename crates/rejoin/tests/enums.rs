//! The promises of an enum with a declared rule: one variant stands everywhere, and nothing is
//! lost.

use rejoin::crdts::{Kind, Replica, Variants};
use rejoin::prelude::{
    Crdt, Doc, EditError, FreshId, GCounter, Key, LwwRegister, OneOf, OrMap, OrSet, PnCounter,
    ReadError, ReplicaId, Store,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The ways to pay for an order.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "latest")]
enum Payment {
    #[default]
    Open,
    /// By card.
    Card {
        /// Digits that are printed on receipts.
        last_four: LwwRegister<String>,
        tries: GCounter,
    },
    #[crdt(rename = "Bill")]
    Invoice {
        #[crdt(rename = "number")]
        invoice_number: LwwRegister<String>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct Order {
    payment: OneOf<Payment>,
    lines: OrMap<String, PnCounter>,
}

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

fn new<T: Crdt>(id: u128) -> Replica<T> {
    Replica::new(fresh(id))
}

#[test]
fn one_variant_stands_with_its_fields() -> Outcome {
    let mut order: Replica<Order> = new(1);
    assert!(matches!(order.payment().get()?, Payment::Open), "before anybody has chosen");
    assert_eq!(order.payment().variant()?, None);
    order.edit(|order| {
        let mut payment = order.payment();
        let mut card = payment.choose_card()?;
        card.last_four().set("4242")?;
        card.tries().add(1)
    })?;
    let Payment::Card { last_four, tries } = order.payment().get()? else {
        panic!("a card was chosen: {order:?}");
    };
    assert_eq!((last_four.get()?.as_deref(), tries.value()?), (Some("4242"), 1));
    assert_eq!(order.payment().card().tries().value()?, 1);

    order.edit(|order| order.payment().choose_invoice()?.invoice_number().set("7"))?;
    assert_eq!(order.payment().variant()?.as_deref(), Some("Bill"));
    assert_eq!(order.payment().get()?.name(), "Bill");
    let Payment::Invoice { invoice_number } = order.payment().get()? else {
        panic!("an invoice was chosen: {order:?}");
    };
    assert_eq!(invoice_number.get()?.as_deref(), Some("7"));
    order.edit(|order| order.payment().choose_open())?;
    assert!(matches!(order.payment().get()?, Payment::Open));
    assert_eq!(order.payment().variant()?.as_deref(), Some("Open"));
    Ok(())
}

#[test]
fn coming_back_to_a_variant_starts_anew_and_asserting_it_does_not() -> Outcome {
    let mut order: Replica<Order> = new(1);
    order.edit(|order| order.payment().choose_card()?.tries().add(2))?;
    order.edit(|order| order.payment().choose_card()?.tries().add(1))?;
    assert_eq!(order.payment().card().tries().value()?, 3, "asserted again");
    order.edit(|order| order.payment().choose_open())?;
    assert_eq!(order.payment().card().tries().value()?, 0);
    order.edit(|order| order.payment().choose_card()?.tries().add(1))?;
    assert_eq!(order.payment().card().tries().value()?, 1);
    Ok(())
}

#[test]
fn fields_can_be_written_without_choosing_and_are_there_when_chosen() -> Outcome {
    let mut order: Replica<Order> = new(1);
    order.edit(|order| {
        order.payment().choose_open()?;
        order.payment().card().last_four().set("4242")
    })?;
    assert!(matches!(order.payment().get()?, Payment::Open));
    order.edit(|order| order.payment().choose_card().map(drop))?;
    let last_four = order.payment().card().last_four().get()?;
    assert_eq!(last_four.as_deref(), Some("4242"));
    Ok(())
}

/// Two copies that choose while they are apart, the laptop last by its clock, and then meet.
fn chosen_apart() -> Result<[Replica<Order>; 2], EditError> {
    let mut phone: Replica<Order> = new(1);
    let mut laptop = phone.fork(fresh(2));
    let by_phone = phone.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?;
    laptop.edit(|order| order.lines().entry("apples").add(1))?; // its clock goes ahead
    let by_laptop =
        laptop.edit(|order| order.payment().choose_invoice()?.invoice_number().set("7"))?;
    laptop.apply(&by_phone);
    phone.merge(&laptop);
    phone.apply(&by_laptop);
    assert_eq!(phone.save(), laptop.save());
    Ok([phone, laptop])
}

#[test]
fn of_concurrent_choices_the_latest_stands_and_the_others_are_kept() -> Outcome {
    let [mut phone, mut laptop] = chosen_apart()?;
    for copy in [&phone, &laptop] {
        assert_eq!(copy.payment().concurrent()?, ["Bill", "Card"]);
        assert!(matches!(copy.payment().get()?, Payment::Invoice { .. }));
        let overridden = copy.payment().card().last_four().get()?;
        assert_eq!(overridden.as_deref(), Some("4242"), "no merge drops what others wrote");
    }

    // A copy that has seen both decides against the laptop's choice: the other variant's data are
    // taken away.
    let decided = phone.edit(|order| order.payment().choose_card().map(drop))?;
    laptop.apply(&decided);
    assert_eq!(laptop.payment().concurrent()?, ["Card"]);
    assert_eq!(laptop.payment().card().last_four().get()?.as_deref(), Some("4242"));
    assert_eq!(laptop.payment().invoice().invoice_number().get()?, None);
    assert_eq!(phone.save(), laptop.save());
    Ok(())
}

#[test]
fn asserting_what_stands_settles_it_and_takes_nothing_away() -> Outcome {
    let [mut phone, _] = chosen_apart()?;
    phone.edit(|order| order.payment().choose_invoice().map(drop))?;
    assert_eq!(phone.payment().concurrent()?, ["Bill"]);
    assert_eq!(phone.payment().card().last_four().get()?.as_deref(), Some("4242"));
    Ok(())
}

#[test]
fn a_change_of_a_variant_that_is_left_meanwhile_survives() -> Outcome {
    let mut phone: Replica<Order> = new(1);
    phone.edit(|order| order.payment().choose_card()?.tries().add(2))?;
    let mut laptop = phone.fork(fresh(2));
    phone.edit(|order| order.payment().choose_open())?;
    laptop.edit(|order| order.payment().card().tries().add(5))?;
    phone.merge(&laptop);
    assert!(matches!(phone.payment().get()?, Payment::Open));
    assert_eq!(phone.payment().card().tries().value()?, 5, "what was seen went, the rest stayed");
    Ok(())
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "first declared")]
enum Severity {
    Fire {},
    Accident {
        where_to: OrSet<String>,
    },
    #[default]
    None,
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "last declared")]
enum Stage {
    #[default]
    Draft,
    Sent,
    Paid,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Report {
    severity: OneOf<Severity>,
    stage: OneOf<Stage>,
}

#[test]
fn the_order_of_declaration_decides_whatever_the_time() -> Outcome {
    let mut phone: Replica<Report> = new(1);
    let mut laptop = phone.fork(fresh(2));
    let mut tablet = phone.fork(fresh(3));
    phone.edit(|report| {
        report.severity().choose_accident()?.where_to().insert("hall")?;
        report.stage().choose_paid()
    })?;
    laptop.edit(|report| report.severity().choose_none())?;
    laptop.edit(|report| report.stage().choose_sent())?;
    tablet.edit(|report| {
        report.severity().choose_fire()?;
        report.stage().choose_draft()
    })?;
    for (a, b) in [(1, 2), (2, 1)] {
        let mut merged = phone.fork(fresh(9 + a));
        let others = [&laptop, &tablet];
        merged.merge(others[a as usize - 1]);
        merged.merge(others[b as usize - 1]);
        assert_eq!(merged.severity().concurrent()?, ["Fire", "Accident", "None"]);
        assert_eq!(merged.stage().concurrent()?, ["Paid", "Sent", "Draft"]);
        assert!(matches!(merged.severity().get()?, Severity::Fire {}));
        assert!(matches!(merged.stage().get()?, Stage::Paid));
        assert!(merged.severity().accident().where_to().contains("hall"));
    }
    Ok(())
}

#[test]
fn a_reader_reads_what_a_value_in_memory_would() -> Outcome {
    let [phone, _] = chosen_apart()?;
    phone.read(|order| {
        let payment = order.payment();
        assert_eq!(payment.variant()?.as_deref(), Some("Bill"));
        assert_eq!(payment.concurrent()?, ["Bill", "Card"]);
        assert_eq!(payment.card().last_four().get()?.as_deref(), Some("4242"));
        let Payment::Invoice { invoice_number } = payment.get()? else {
            panic!("an invoice stands");
        };
        assert_eq!(invoice_number.get()?.as_deref(), Some("7"));
        Ok::<(), ReadError>(())
    })?;
    let mut fresh_order: Replica<Order> = new(5);
    fresh_order.edit(|order| {
        assert!(matches!(order.payment().reader().get()?, Payment::Open));
        order.payment().choose_card()?.tries().add(3)?;
        let Payment::Card { tries, .. } = order.payment().reader().get()? else {
            panic!("a transaction sees itself");
        };
        assert_eq!(tries.value()?, 3);
        Ok(())
    })?;
    Ok(())
}

/// [`Payment`] before it had bills.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "latest")]
enum OldPayment {
    #[default]
    Open,
    Card {
        last_four: LwwRegister<String>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct OldOrder {
    payment: OneOf<OldPayment>,
}

#[test]
fn a_variant_of_a_newer_version_is_a_named_error_and_is_kept() -> Outcome {
    let mut new_order: Replica<Order> = new(1);
    new_order.edit(|order| order.payment().choose_invoice()?.invoice_number().set("7"))?;
    let mut old = Replica::<OldOrder>::load(&new_order.save(), fresh(2))?;
    assert_eq!(old.save(), new_order.save());
    let unknown = ReadError::UnknownVariant { name: "Bill".into() };
    assert_eq!(old.payment().get().map(drop), Err(unknown.clone()));
    old.read(|order| assert_eq!(order.payment().get().map(drop), Err(unknown)));
    assert_eq!(old.payment().variant()?.as_deref(), Some("Bill"));

    // Choosing another variant takes away what the unknown one held, as it would for a known one.
    let left = old.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?;
    new_order.apply(&left);
    assert_eq!(new_order.payment().variant()?.as_deref(), Some("Card"));
    assert_eq!(new_order.payment().invoice().invoice_number().get()?, None);
    assert_eq!(old.save(), new_order.save());
    Ok(())
}

#[test]
fn a_choice_and_a_document_are_the_same_bytes() -> Outcome {
    let (mut typed, mut doc) = (new::<Order>(1), new::<Order>(1));
    let mut plain: Replica<Doc> = new(1);
    let steps = [
        typed.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?,
        typed.edit(|order| order.payment().choose_invoice()?.invoice_number().set("7"))?,
        typed.edit(|order| order.payment().clear())?,
    ];
    type Write = fn(&mut rejoin::crdts::map::DocEditor<'_>) -> Result<(), EditError>;
    let by_hand: [Write; 3] = [
        |doc| {
            doc.at::<Doc>("payment").set("variant", "Card")?;
            doc.at::<Doc>("payment").at::<Doc>("Card").set("last_four", "4242")
        },
        |doc| {
            doc.at::<Doc>("payment").remove_kind("Card", Kind::Map)?;
            doc.at::<Doc>("payment").set("variant", "Bill")?;
            doc.at::<Doc>("payment").at::<Doc>("Bill").set("number", "7")
        },
        |doc| doc.at::<Doc>("payment").clear(),
    ];
    let shown = [
        r#"{"payment": {"Card": {"last_four": "4242"}, "variant": "Card"}}"#,
        r#"{"payment": {"Bill": {"number": "7"}, "variant": "Bill"}}"#,
        "{}",
    ];
    for ((delta, write), shown) in steps.iter().zip(by_hand).zip(shown) {
        assert_eq!(&doc.edit_as::<Doc>(write)?, delta);
        assert_eq!(&plain.edit(write)?, delta);
        assert_eq!(plain.value().to_string(), shown);
        let value = doc.read_as::<Doc, _>(|doc| doc.value())?;
        assert_eq!(value.to_string(), shown);
        assert_eq!(plain.save(), doc.save());
    }
    assert_eq!(typed.save(), doc.save());
    Ok(())
}

#[test]
fn a_space_holds_choices_and_reads_one_without_the_rest() -> Outcome {
    let store = Store::memory()?;
    let orders = store.create_space::<Order>("orders")?;
    orders.transact(|tx| {
        tx.object("alice").payment().choose_card()?.last_four().set("4242")?;
        tx.object("bob").payment().choose_open()
    })?;
    orders.transact(|tx| tx.object("alice").payment().choose_card()?.tries().add(1))?;
    let order = orders.object("alice");
    let Payment::Card { last_four, tries } = order.payment().get()? else {
        panic!("alice pays by card");
    };
    assert_eq!((last_four.get()?.as_deref(), tries.value()?), (Some("4242"), 1));
    orders.transact(|tx| tx.object("alice").payment().choose_open())?;
    assert_eq!(orders.object("alice").payment().card().last_four().get()?, None);
    assert_eq!(orders.object("bob").payment().variant()?.as_deref(), Some("Open"));
    Ok(())
}

#[test]
fn a_register_of_another_kind_is_a_named_error() -> Outcome {
    let mut order: Replica<Order> = new(1);
    order.edit_as::<Doc>(|doc| doc.at::<Doc>("payment").at::<PnCounter>("variant").add(1))?;
    let found = order.read(|order| order.payment().variant());
    assert!(matches!(found, Err(ReadError::WrongKind { found: Kind::Counter, .. })), "{found:?}");
    let chosen = order.edit(|order| order.payment().choose_open());
    assert!(matches!(chosen, Err(EditError::Read(ReadError::WrongKind { .. }))), "{chosen:?}");
    let removed = |doc: &mut rejoin::crdts::map::DocEditor<'_>| {
        doc.at::<Doc>("payment").remove_kind("variant", Kind::Counter)
    };
    order.edit_as::<Doc>(removed)?;
    order.edit(|order| order.payment().choose_open())?;
    assert_eq!(order.read(|order| order.payment().variant())?.as_deref(), Some("Open"));
    Ok(())
}

#[test]
fn a_field_of_another_kind_is_a_named_error_of_the_whole() -> Outcome {
    let mut order: Replica<Order> = new(1);
    order.edit(|order| order.payment().choose_card()?.tries().add(1))?;
    order.edit_as::<Doc>(|doc| {
        let mut payment = doc.at::<Doc>("payment");
        let mut card = payment.at::<Doc>("Card");
        card.at::<OrSet<String>>("last_four").insert("4242")
    })?;
    let found = order.read(|order| order.payment().get());
    assert!(matches!(found, Err(ReadError::WrongKind { found: Kind::Set, .. })), "{found:?}");
    order.edit(|order| order.payment().card().last_four().set("4242"))?;
    let found = order.read(|order| order.payment().get());
    assert!(matches!(found, Err(ReadError::KindClash { .. })), "{found:?}");

    let mut report: Replica<Report> = new(2);
    report.edit(|report| report.severity().choose_accident()?.where_to().insert("hall"))?;
    assert!(report.read(|report| report.severity().get()).is_ok());
    report.edit_as::<Doc>(|doc| {
        doc.at::<Doc>("severity").at::<Doc>("Accident").set("where_to", "hall")
    })?;
    let found = report.read(|report| report.severity().get());
    assert!(matches!(found, Err(ReadError::KindClash { .. })), "{found:?}");
    Ok(())
}

/// A place in a tree of choices, which nests in itself.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "last declared")]
#[expect(clippy::large_enum_variant, reason = "a map in it is as large as it is")]
enum Node<K: Key + 'static, V: Crdt + Clone + 'static = PnCounter> {
    #[default]
    Leaf,
    Branch {
        children: OrMap<K, OneOf<Self>>,
        label: LwwRegister<K>,
        weight: OrMap<K, V>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
struct Forest<K: Key + 'static> {
    root: OneOf<Node<K>>,
}

#[test]
fn an_enum_may_have_type_parameters_and_nest_in_itself() -> Outcome {
    let mut forest: Replica<Forest<u32>> = new(1);
    forest.edit(|forest| {
        let mut root = forest.root();
        let mut branch = root.choose_branch()?;
        branch.label().set(7u32)?;
        branch.weight().entry(&1).add(3)?;
        let mut children = branch.children();
        children.entry(&2).choose_branch()?.label().set(8u32)
    })?;
    let Node::Branch { children, label, weight } = forest.root().get()? else {
        panic!("a branch was chosen");
    };
    assert_eq!((label.get()?, weight.at(&1).value()?), (Some(7), 3));
    assert_eq!(children.at(&2).branch().label().get()?, Some(8));
    forest.read(|forest| {
        assert!(matches!(forest.root().get(), Ok(Node::Branch { .. })));
    });
    assert_eq!(<Node<u32> as Variants>::NAMES, ["Leaf", "Branch"]);
    Ok(())
}

/// The derived code passes a library's lints, whatever the names.
pub mod library {
    #![deny(missing_docs, missing_debug_implementations, unused, unreachable_pub)]
    #![deny(clippy::pedantic)]

    use rejoin::prelude::{Crdt, GCounter, OneOf, PnCounter};

    /// A state.
    #[derive(Crdt, Default, Debug)]
    #[crdt(concurrent = "latest")]
    pub enum State {
        /// Nothing yet.
        #[default]
        Idle,
        /// A keyword for a method.
        Type {
            /// Number of runs.
            r#loop: PnCounter,
        },
        /// A name with capitals.
        URLPath {
            /// Number of hits.
            hits: GCounter,
        },
    }

    /// A value that has a state.
    #[derive(Crdt, Default, Debug)]
    pub struct Machine {
        /// Current state.
        pub state: OneOf<State>,
    }

    #[derive(Crdt, Default, Debug)]
    #[crdt(concurrent = "latest")]
    enum Private {
        #[default]
        Never,
        Used {
            at_all: PnCounter,
        },
    }

    #[test]
    fn private_enums_work_where_they_are() {
        assert!(matches!(OneOf::<Private>::default().get(), Ok(Private::Never)));
    }
}

#[test]
fn methods_are_named_after_the_variants() -> Outcome {
    let mut machine: Replica<library::Machine> = new(1);
    machine.edit(|machine| machine.state().choose_type()?.r#loop().add(1))?;
    assert_eq!(machine.state().r#type().r#loop().value()?, 1);
    machine.edit(|machine| machine.state().choose_url_path()?.hits().add(1))?;
    assert_eq!(machine.state().url_path().hits().value()?, 1);
    assert_eq!(machine.state().variant()?.as_deref(), Some("URLPath"));
    Ok(())
}
