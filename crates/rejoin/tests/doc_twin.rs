//! The typed struct and the document have the same bytes, both ways.
//!
//! A struct that has every type of the crate is edited through its typed editors; its twin under
//! the same id is a document that is edited by name, and now and then as the struct. After every
//! transaction both have made the same delta, or failed with the same error, and save to the same
//! bytes.

use proptest::prelude::*;
use proptest::sample::select;
use rejoin::crdts::map::DocEditor;
use rejoin::crdts::ordered::{NodeId, Parent};
use rejoin::crdts::{Delta, Kind, Replica};
use rejoin::prelude::{
    BoundedCounter, Crdt, DisableWinsFlag, Doc, EditError, EnableWinsFlag, FreshId, GCounter, GSet,
    List, LwwRegister, MaxRegister, MinRegister, MvRegister, OneOf, OrMap, OrSet, PnCounter,
    ReplicaId, RwSet, Tree, TwoPhaseSet, Value,
};

const REPLICAS: usize = 3;

#[derive(Crdt, Default, Clone, Debug)]
struct Everything {
    grown: GCounter,
    counted: PnCounter,
    escrow: BoundedCounter,
    enabled: EnableWinsFlag,
    disabled: DisableWinsFlag,
    latest: LwwRegister<i64>,
    all: MvRegister<i64>,
    greatest: MaxRegister<i64>,
    least: MinRegister<i64>,
    only_grows: GSet<i64>,
    adds_win: OrSet<i64>,
    removes_win: RwSet<i64>,
    once: TwoPhaseSet<i64>,
    map: OrMap<String, Part>,
    list: List<Part>,
    tree: Tree<LwwRegister<i64>>,
    part: Part,
    timed: OneOf<Timed>,
    ranked: OneOf<Ranked>,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Part {
    count: PnCounter,
    #[crdt(rename = "title")]
    name: LwwRegister<i64>,
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "latest")]
enum Timed {
    #[default]
    Neither,
    Left {
        part: Part,
    },
    #[crdt(rename = "right")]
    Right {
        tags: OrSet<i64>,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(concurrent = "last declared")]
enum Ranked {
    #[default]
    Low,
    Middle {
        part: Part,
    },
    High {
        tags: OrSet<i64>,
    },
}

/// The places that both sides reach under one name, with the same editor.
struct Place<'a, 'b> {
    typed: Option<&'a mut EverythingEditor<'b>>,
    doc: Option<&'a mut DocEditor<'b>>,
}

macro_rules! places {
    ($($name:ident: $ty:ty,)*) => {
        impl Place<'_, '_> {
            $(fn $name(&mut self) -> <$ty as Crdt>::Editor<'_> {
                match (&mut self.typed, &mut self.doc) {
                    (Some(typed), _) => typed.$name(),
                    (None, Some(doc)) => doc.at::<$ty>(stringify!($name)),
                    (None, None) => unreachable!("a place is on one side"),
                }
            })*
        }
    };
}

places! {
    grown: GCounter,
    counted: PnCounter,
    enabled: EnableWinsFlag,
    disabled: DisableWinsFlag,
    latest: LwwRegister<i64>,
    all: MvRegister<i64>,
    greatest: MaxRegister<i64>,
    least: MinRegister<i64>,
    only_grows: GSet<i64>,
    adds_win: OrSet<i64>,
    removes_win: RwSet<i64>,
    once: TwoPhaseSet<i64>,
    tree: Tree<LwwRegister<i64>>,
}

/// The change to make, its number, and the direction: back or forth.
#[derive(Clone, Copy, Debug)]
struct Edit {
    what: What,
    number: i64,
    back: bool,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Counters,
    Escrow,
    Flags,
    Registers,
    Sets,
    Once,
    Map,
    List,
    Tree,
    Part,
    Timed,
    Ranked,
    All,
}

fn edit() -> impl Strategy<Value = Edit> {
    use What::{
        All, Counters, Escrow, Flags, List, Map, Once, Part, Ranked, Registers, Sets, Timed, Tree,
    };
    let whats =
        [Counters, Escrow, Flags, Registers, Sets, Once, Map, List, Tree, Part, Timed, Ranked, All];
    (select(whats.to_vec()), 0..4i64, any::<bool>()).prop_map(|(what, number, back)| Edit {
        what,
        number,
        back,
    })
}

impl Edit {
    fn typed(self, all: &mut EverythingEditor<'_>) -> Result<(), EditError> {
        let Self { number, back, .. } = self;
        match (self.what, back) {
            (What::Escrow, false) => all.escrow().add(1),
            (What::Escrow, true) => all.escrow().spend(number.unsigned_abs()),
            (What::Map, false) => all.map().entry(key(number)).count().add(number),
            (What::Map, true) if number == 0 => all.map().clear(),
            (What::Map, true) => all.map().remove(key(number)),
            (What::List, false) => {
                let len = all.list().len()?;
                all.list().insert(place(number, len))?.name().set(number)
            }
            (What::List, true) if number == 0 => all.list().move_to(0, 1),
            (What::List, true) => all.list().remove(0),
            (What::Part, false) => {
                all.part().count().add(number)?;
                all.part().name().set(number)
            }
            (What::Part, true) => all.part().clear(),
            (What::Timed, _) => match number {
                0 => all.timed().choose_neither(),
                1 if back => all.timed().left().part().count().add(1),
                1 => all.timed().choose_left()?.part().count().add(1),
                2 => all.timed().clear(),
                _ => all.timed().choose_right()?.tags().insert(&number),
            },
            (What::Ranked, _) => match number {
                0 => all.ranked().choose_low(),
                1 => all.ranked().choose_middle()?.part().name().set(1),
                2 if back => all.ranked().high().tags().insert(&number),
                2 => all.ranked().clear(),
                _ => all.ranked().choose_high().map(drop),
            },
            (What::All, _) => all.clear(),
            _ => self.either(&mut Place { typed: Some(all), doc: None }),
        }
    }

    fn by_name(self, doc: &mut DocEditor<'_>) -> Result<(), EditError> {
        let Self { number, back, .. } = self;
        match (self.what, back) {
            (What::Escrow, false) => doc.bounded_counter("escrow")?.add(1),
            (What::Escrow, true) => doc.bounded_counter("escrow")?.spend(number.unsigned_abs()),
            (What::Map, false) => {
                doc.at::<Doc>("map").at::<Doc>(key(number)).at::<PnCounter>("count").add(number)
            }
            (What::Map, true) if number == 0 => doc.at::<Doc>("map").clear(),
            (What::Map, true) => doc.at::<Doc>("map").remove(key(number)),
            (What::List, false) => {
                let mut list = doc.at::<List<Doc>>("list");
                let len = list.len()?;
                list.insert(place(number, len))?.set("title", number)
            }
            (What::List, true) if number == 0 => doc.at::<List<Doc>>("list").move_to(0, 1),
            (What::List, true) => doc.at::<List<Doc>>("list").remove(0),
            (What::Part, false) => {
                doc.at::<Doc>("part").at::<PnCounter>("count").add(number)?;
                doc.at::<Doc>("part").set("title", number)
            }
            (What::Part, true) => doc.at::<Doc>("part").clear(),
            (What::Timed, _) => self.timed_by_name(&mut doc.at::<Doc>("timed")),
            (What::Ranked, _) => self.ranked_by_name(&mut doc.at::<Doc>("ranked")),
            (What::All, _) => doc.clear(),
            _ => self.either(&mut Place { typed: None, doc: Some(doc) }),
        }
    }

    fn timed_by_name(self, choice: &mut DocEditor<'_>) -> Result<(), EditError> {
        let name = ["Neither", "Left", "", "right"][place(self.number, 3)];
        if self.number == 2 {
            return choice.clear();
        }
        if !(self.number == 1 && self.back) {
            if choice.reader().get::<String>("variant")?.is_some_and(|stands| stands != name) {
                leave_others(choice, name)?;
            }
            choice.set("variant", name)?;
        }
        match self.number {
            0 => Ok(()),
            1 => choice.at::<Doc>("Left").at::<Doc>("part").at::<PnCounter>("count").add(1),
            _ => choice.at::<Doc>("right").at::<OrSet<i64>>("tags").insert(&self.number),
        }
    }

    fn ranked_by_name(self, choice: &mut DocEditor<'_>) -> Result<(), EditError> {
        let order = ["Low", "Middle", "High"];
        let name = match self.number {
            2 if self.back => {
                return choice.at::<Doc>("High").at::<OrSet<i64>>("tags").insert(&self.number);
            }
            2 => return choice.clear(),
            3 => "High",
            number => order[place(number, 2)],
        };
        let live = choice.at::<MvRegister<String>>("variant").values()?;
        let stands = order.iter().rev().find(|name| live.iter().any(|chosen| chosen == *name));
        if stands.is_some_and(|stands| *stands != name) {
            leave_others(choice, name)?;
        }
        choice.at::<MvRegister<String>>("variant").set(name)?;
        match name {
            "Middle" => choice.at::<Doc>("Middle").at::<Doc>("part").set("title", 1i64),
            _ => Ok(()),
        }
    }

    /// Writes the same change on both sides.
    fn either(self, at: &mut Place<'_, '_>) -> Result<(), EditError> {
        let Self { number, back, .. } = self;
        match (self.what, back) {
            (What::Counters, false) => {
                at.grown().add(number.unsigned_abs())?;
                at.counted().add(number - 2)
            }
            (What::Counters, true) => at.counted().reset(),
            (What::Flags, false) => {
                at.enabled().enable()?;
                at.disabled().enable()
            }
            (What::Flags, true) => {
                at.enabled().disable()?;
                at.disabled().disable()
            }
            (What::Registers, false) => {
                at.latest().set(number)?;
                at.all().set(number)?;
                at.greatest().set(number)?;
                at.least().set(number)
            }
            (What::Registers, true) => {
                at.latest().clear()?;
                at.all().clear()?;
                at.greatest().clear()?;
                at.least().clear()
            }
            (What::Sets, false) => {
                at.only_grows().insert(&number)?;
                at.adds_win().insert(&number)?;
                at.removes_win().insert(&number)
            }
            (What::Sets, true) => {
                at.adds_win().remove(&number)?;
                at.removes_win().remove(&number)
            }
            (What::Once, false) => at.once().insert(&number),
            (What::Once, true) => at.once().remove(&number),
            _ => grow_tree(at, number, back),
        }
    }
}

fn grow_tree(at: &mut Place<'_, '_>, number: i64, back: bool) -> Result<(), EditError> {
    let mut tree = at.tree();
    let nodes: Vec<NodeId> = tree.outline()?.iter().map(|(node, _)| node).collect();
    let some = nodes.get(place(number, nodes.len())).copied();
    let parent = some.map_or(Parent::Root, Parent::Node);
    match (back, some, nodes.first()) {
        (true, Some(node), _) if number == 0 => tree.remove(node),
        (true, Some(_), Some(&first)) => tree.move_to(first, parent),
        _ => {
            let node = tree.create(parent)?;
            tree.node(node)?.set(number)
        }
    }
}

fn leave_others(choice: &mut DocEditor<'_>, name: &str) -> Result<(), EditError> {
    for (other, kind) in choice.reader().names()? {
        let other = other.to::<String>().expect("a variant's name");
        if kind == Kind::Map && other != name {
            choice.remove_kind(&other, Kind::Map)?;
        }
    }
    Ok(())
}

fn key(number: i64) -> &'static str {
    ["zero", "one", "two", "three"][place(number, 3)]
}

/// A number as an index that is at most `most`.
fn place(number: i64, most: usize) -> usize {
    usize::try_from(number).map_or(0, |number| number.min(most))
}

#[derive(Clone, Debug)]
enum Step {
    /// A transaction at a replica; the document's side makes it as the struct or by name.
    Edit { at: usize, edits: Vec<Edit>, by_name: bool },
    /// The first few deltas that the receiver lacks, in the order in which the sender has them.
    Deliver { from: usize, to: usize, most: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let edits = prop::collection::vec(edit(), 1..4);
    prop_oneof![
        3 => (0..REPLICAS, edits, prop::bool::weighted(0.8))
            .prop_map(|(at, edits, by_name)| Step::Edit { at, edits, by_name }),
        2 => (0..REPLICAS, 0..REPLICAS, 1usize..6)
            .prop_map(|(from, to, most)| Step::Deliver { from, to, most }),
    ]
}

/// The two sides of one replica, and the deltas that both have, in their order.
struct Twins {
    typed: Replica<Everything>,
    doc: Replica<Doc>,
    has: Vec<Delta>,
}

impl Twins {
    fn new(id: u128, start: &[Delta]) -> Self {
        let fresh = || FreshId::assume_fresh(ReplicaId::from_u128(id));
        let (typed, doc) = (Replica::new(fresh()), Replica::new(fresh()));
        let mut twins = Self { typed, doc, has: Vec::new() };
        start.iter().for_each(|delta| twins.take(delta));
        twins
    }

    fn edit(&mut self, edits: &[Edit], by_name: bool) {
        let typed = self.typed.edit(|all| edits.iter().try_for_each(|edit| edit.typed(all)));
        let doc = match by_name {
            true => self.doc.edit(|doc| edits.iter().try_for_each(|edit| edit.by_name(doc))),
            false => self
                .doc
                .edit_as::<Everything>(|all| edits.iter().try_for_each(|edit| edit.typed(all))),
        };
        assert_eq!(typed, doc, "{edits:?} by name: {by_name}");
        self.has.extend(typed.ok().filter(|delta| !delta.is_empty()));
    }

    fn take(&mut self, delta: &Delta) {
        if self.typed.version_vector().get(delta.origin()) < delta.last() {
            assert_eq!(self.typed.apply(delta), self.doc.apply(delta));
            self.has.push(delta.clone());
        }
    }

    /// Checks that both have the same bytes, and that the document shows what the struct reads.
    fn check(&self) {
        assert_eq!(self.typed.save(), self.doc.save(), "{:?}", self.typed);
        let shown = self.doc.value();
        assert_eq!(self.typed.read_as::<Doc, _>(|doc| doc.value()), Ok(shown.clone()));
        let counted = self.typed.counted().value().map(i128::from).ok();
        let count = match shown.get("counted") {
            Some(Value::Count(count)) => Some(*count),
            Some(other) => panic!("a counter is shown as {other}"),
            None => Some(0),
        };
        assert_eq!(count, counted);
        assert_eq!(shown.get("enabled").is_some(), self.typed.enabled().is_enabled());
        let variant = shown.get("timed").and_then(|timed| timed.get("variant"));
        let variant = variant.map(|variant| match variant {
            Value::Scalar(name) => name.to::<String>().expect("a name"),
            other => panic!("a register is shown as {other}"),
        });
        assert_eq!(self.typed.timed().variant(), Ok(variant));
        let items = match shown.get("list") {
            Some(Value::List(items)) => items.len(),
            _ => 0,
        };
        assert_eq!(items, self.typed.list().len());
    }
}

/// A struct makes a bounded counter, so that there is one to use, with rights for everybody. Where
/// a bounded counter stands, the whole value cannot be cleared.
fn start() -> Vec<Delta> {
    let mut maker: Replica<Everything> =
        Replica::new(FreshId::assume_fresh(ReplicaId::from_u128(99)));
    let made = maker.edit(|all| {
        all.escrow().add(40)?;
        (1..=3).try_for_each(|id| all.escrow().transfer(5, ReplicaId::from_u128(id)))
    });
    vec![made.expect("small edits of a value in memory")]
}

proptest! {
    #[test]
    fn a_struct_of_every_type_and_a_document_are_the_same_bytes(
        steps in prop::collection::vec(step(), 1..40),
        with_escrow in any::<bool>(),
    ) {
        let start = if with_escrow { start() } else { Vec::new() };
        let mut twins: Vec<Twins> =
            (1..).take(REPLICAS).map(|id| Twins::new(id, &start)).collect();
        for step in &steps {
            let touched = match step {
                Step::Edit { at, edits, by_name } => {
                    let edits: Vec<Edit> = edits.iter().copied().filter(|edit| {
                        with_escrow || !matches!(edit.what, What::Escrow)
                    }).collect();
                    twins[*at].edit(&edits, *by_name);
                    *at
                }
                Step::Deliver { from, to, most } => {
                    let seen = twins[*to].typed.version_vector();
                    let lacks = twins[*from].has.iter();
                    let lacks = lacks.filter(|delta| seen.get(delta.origin()) < delta.last());
                    let sent: Vec<Delta> = lacks.take(*most).cloned().collect();
                    sent.iter().for_each(|delta| twins[*to].take(delta));
                    *to
                }
            };
            twins[touched].check();
        }
        let (first, second) = twins.split_at_mut(1);
        let merged = first[0].typed.merge(&second[0].typed);
        prop_assert_eq!(merged, first[0].doc.merge(&second[0].doc));
        first[0].check();
    }
}
