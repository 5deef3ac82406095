//! The typed struct and the untyped tree have the same bytes.
//!
//! Three replicas of a derived struct edit, exchange deltas and merge; beside each stands a table
//! of cells that knows no Rust type and applies the same deltas. After every step both save to the
//! same bytes, and the saved bytes load into the same struct again.

use proptest::prelude::*;
use proptest::sample::select;
use rejoin::crdts::delta::{Admission, Causal};
use rejoin::crdts::state::{Context, Parts, save};
use rejoin::crdts::{Delta, Replica};
use rejoin::prelude::{Crdt, EditError, FreshId, LwwRegister, OrMap, OrSet, PnCounter, ReplicaId};
use rejoin::vclock::codec::{Decode, Encode};

const REPLICAS: usize = 3;

#[derive(Crdt, Default, Debug)]
struct Cart {
    lines: OrMap<String, Line>,
    #[crdt(rename = "note")]
    delivery_note: LwwRegister<String>,
    tags: OrSet<String>,
    visits: PnCounter,
}

#[derive(Crdt, Default, Clone, Debug)]
struct Line {
    quantity: PnCounter,
    price: LwwRegister<i64>,
    wishes: OrSet<i64>,
}

#[derive(Clone, Debug)]
enum Edit {
    Visit(i64),
    ForgetVisits,
    Note(String),
    ForgetNote,
    Tag(String),
    Untag(String),
    ForgetTags,
    Quantity(String, i64),
    Price(String, i64),
    Wish(String, i64),
    ForgetLine(String),
    EmptyLine(String),
    ForgetLines,
    ForgetAll,
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || select(&["apples", "pears", "a long name that fills a delta"][..]);
    let name = move || name().prop_map(str::to_owned);
    prop_oneof![
        2 => (-3i64..4).prop_map(Edit::Visit),
        1 => Just(Edit::ForgetVisits),
        2 => name().prop_map(Edit::Note),
        1 => Just(Edit::ForgetNote),
        4 => name().prop_map(Edit::Tag),
        2 => name().prop_map(Edit::Untag),
        1 => Just(Edit::ForgetTags),
        4 => (name(), -3i64..4).prop_map(|(line, amount)| Edit::Quantity(line, amount)),
        2 => (name(), 0i64..3).prop_map(|(line, price)| Edit::Price(line, price)),
        4 => (name(), 0i64..9).prop_map(|(line, wish)| Edit::Wish(line, wish)),
        2 => name().prop_map(Edit::ForgetLine),
        2 => name().prop_map(Edit::EmptyLine),
        1 => Just(Edit::ForgetLines),
        1 => Just(Edit::ForgetAll),
    ]
}

impl Edit {
    fn make(&self, cart: &mut CartEditor<'_>) -> Result<(), EditError> {
        match self {
            Self::Visit(amount) => cart.visits().add(*amount),
            Self::ForgetVisits => cart.visits().reset(),
            Self::Note(note) => cart.delivery_note().set(note.as_str()),
            Self::ForgetNote => cart.delivery_note().clear(),
            Self::Tag(tag) => cart.tags().insert(tag),
            Self::Untag(tag) => cart.tags().remove(tag),
            Self::ForgetTags => cart.tags().clear(),
            Self::Quantity(line, amount) => cart.lines().entry(line).quantity().add(*amount),
            Self::Price(line, price) => cart.lines().entry(line).price().set(*price),
            Self::Wish(line, wish) => cart.lines().entry(line).wishes().insert(wish),
            Self::ForgetLine(line) => cart.lines().remove(line),
            Self::EmptyLine(line) => cart.lines().entry(line).clear(),
            Self::ForgetLines => cart.lines().clear(),
            Self::ForgetAll => cart.clear(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A transaction.
    Edit { at: usize, edits: Vec<Edit> },
    /// The first few deltas that the receiver lacks, in the order in which the sender has them.
    Deliver { from: usize, to: usize, most: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let edits = prop::collection::vec(edit(), 1..5);
    prop_oneof![
        3 => (0..REPLICAS, edits).prop_map(|(at, edits)| Step::Edit { at, edits }),
        2 => (0..REPLICAS, 0..REPLICAS, 1usize..6)
            .prop_map(|(from, to, most)| Step::Deliver { from, to, most }),
    ]
}

/// A replica that knows no type.
struct Untyped {
    causal: Causal<Delta>,
    parts: Parts,
}

impl Untyped {
    fn new(id: ReplicaId) -> Self {
        let causal = Causal::new(Context::default(), id, 0).expect("a slot for one replica");
        Self { causal, parts: Parts::default() }
    }

    fn apply(&mut self, delta: &Delta) {
        assert_eq!(self.causal.admit(delta), Admission::Ready);
        let first = self.causal.begin(delta).expect("a slot for three replicas");
        for (index, change) in delta.changes().enumerate() {
            self.parts.apply(&change, &self.causal.at(first, index, delta.stamp()));
        }
        self.causal.finish(delta, first);
    }

    fn save(&self) -> Vec<u8> {
        save(self.causal.context(), self.parts.iter())
    }
}

/// A typed replica, its twin, and the deltas that both have, in their order.
struct Pair {
    typed: Replica<Cart>,
    untyped: Untyped,
    has: Vec<Delta>,
}

impl Pair {
    fn new(id: u128) -> Self {
        let id = ReplicaId::from_u128(id);
        let typed = Replica::new(FreshId::assume_fresh(id));
        Self { typed, untyped: Untyped::new(id), has: Vec::new() }
    }

    fn edit(&mut self, edits: &[Edit]) {
        let edited = self.typed.edit(|cart| edits.iter().try_for_each(|edit| edit.make(cart)));
        let delta = edited.expect("small edits of a value in memory");
        if !delta.is_empty() {
            self.untyped.apply(&delta);
            self.has.push(delta);
        }
    }

    fn take(&mut self, delta: &Delta) {
        if self.typed.version_vector().get(delta.origin()) < delta.last() {
            let sent = Delta::from_bytes(&delta.to_bytes()).expect("a delta is what it decodes to");
            self.typed.apply(&sent);
            self.untyped.apply(&sent);
            self.has.push(sent);
        }
    }

    fn check(&self) {
        let saved = self.typed.save();
        assert_eq!(saved, self.untyped.save(), "typed and untyped differ: {:?}", self.typed);
        let loaded = reload(&self.typed, 90);
        assert_eq!(loaded.save(), saved, "it loads as something else: {:?}", self.typed);
    }
}

fn reload(replica: &Replica<Cart>, id: u128) -> Replica<Cart> {
    let id = FreshId::assume_fresh(ReplicaId::from_u128(id));
    Replica::load(&replica.save(), id).expect("what was saved loads")
}

fn lacking(from: &Pair, to: &Pair, most: usize) -> Vec<Delta> {
    let seen = to.typed.version_vector();
    let lacks = from.has.iter().filter(|delta| seen.get(delta.origin()) < delta.last());
    lacks.take(most).cloned().collect()
}

fn deliver(pairs: &mut [Pair], from: usize, to: usize, most: usize) {
    for delta in lacking(&pairs[from], &pairs[to], most) {
        pairs[to].take(&delta);
    }
}

proptest! {
    #[test]
    fn a_typed_replica_and_its_untyped_twin_are_the_same_bytes(
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut pairs: Vec<Pair> = (1..).take(REPLICAS).map(Pair::new).collect();
        for step in &steps {
            let touched = match step {
                Step::Edit { at, edits } => { pairs[*at].edit(edits); *at }
                Step::Deliver { from, to, most } => {
                    deliver(&mut pairs, *from, *to, *most);
                    *to
                }
            };
            pairs[touched].check();
        }

        // A merge of two states gives the same as the other's deltas applied to one of them.
        let mut merged = reload(&pairs[0].typed, 91);
        let news = !lacking(&pairs[1], &pairs[0], 1).is_empty();
        prop_assert_eq!(merged.merge(&pairs[1].typed), news);
        prop_assert!(!merged.merge(&pairs[1].typed));
        deliver(&mut pairs, 1, 0, usize::MAX);
        prop_assert_eq!(merged.save(), pairs[0].typed.save());
    }
}
