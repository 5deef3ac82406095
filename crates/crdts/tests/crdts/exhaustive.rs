//! Every small world: three replicas, every history of a few transactions, every way to hear of it.
//!
//! A history says which replica made which transaction, having seen which others. Each history of
//! four transactions (`REJOIN_DEPTH` sets another number) is made. The last thing that a copy heard
//! of it was one delta or one state: so every delta that can come last is applied, and every two
//! states that cover the history together are merged. All of these must save the same bytes and
//! show what the oracle shows; the copies they start from were checked the same way at the shorter
//! histories. So every order of deliveries and merges is covered, and steps that bring nothing (a
//! delta again, a state that is covered) as well.
//!
//! ```sh
//! REJOIN_DEPTH=5 cargo test -p rejoin-crdts --test crdts exhaustive
//! ```

mod waiting;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rejoin_crdts::{Delta, Replica};

use crate::types::every_type;
use crate::world::{
    Act, Alphabet, Blind, History, LogTwin, Seen, Subject, carry_out, fresh, hold_to_oracle, id,
};

/// Not in ascending order, so that the first writer does not always have the least id.
const IDS: [u128; 3] = [2, 3, 1];

/// Number of an alphabet's transactions that small worlds choose from.
const CHOICES: usize = 3;

every_type!(explore);

fn depth(usual: usize) -> usize {
    std::env::var("REJOIN_DEPTH").map_or(usual, |depth| depth.parse().expect("a number of edits"))
}

fn explore<S: Subject>(alphabet: &Alphabet) {
    let depth = depth(4);
    let alphabet = alphabet.iter().take(CHOICES).cloned().collect();
    let mut search = Search::<S> {
        alphabet,
        copies: HashMap::from([(0, Rc::new(Copy::new()))]),
        reached: HashSet::new(),
        ways: 0,
    };
    let mut histories = vec![History::default()];
    for length in 1..=depth {
        let keep = length < depth;
        histories = histories.iter().flat_map(|history| search.longer(history, keep)).collect();
    }
    let reached = search.reached.len();
    println!("{reached} histories, {} ways to hear of one", search.ways);
    assert!(reached > 20, "the search has come nowhere");
}

/// A copy that has seen some events, in both forms.
struct Copy<S: Subject> {
    typed: Replica<S>,
    blind: Replica<Blind<S>>,
}

impl<S: Subject> Copy<S> {
    fn new() -> Self {
        Self { typed: Replica::new(fresh(7)), blind: Replica::new(fresh(7)) }
    }

    /// The copy at a replica. (A copy of a copy does not remember the deps of its next delta; that
    /// matters only to deltas that come early, which have worlds of their own.)
    fn at(&self, number: u128) -> Self {
        Self { typed: self.typed.fork(fresh(number)), blind: self.blind.fork(fresh(number)) }
    }

    fn apply(&mut self, delta: &Delta) -> bool {
        let changed = self.typed.apply(delta);
        assert_eq!(self.blind.apply(delta), changed, "typed and untyped copies tell the same");
        changed
    }

    fn merge(&mut self, other: &Self) -> bool {
        let changed = self.typed.merge(&other.typed);
        assert_eq!(self.blind.merge(&other.blind), changed, "both forms tell the same");
        changed
    }

    fn save(&self) -> Vec<u8> {
        let bytes = self.typed.save();
        assert_eq!(self.blind.save(), bytes, "typed and untyped copies save the same");
        bytes
    }
}

struct Search<S: Subject> {
    alphabet: Alphabet,
    /// A copy per set of events, by the set's name.
    copies: HashMap<u64, Rc<Copy<S>>>,
    reached: HashSet<u64>,
    ways: usize,
}

impl<S: Subject> Search<S> {
    /// Returns every new history that is one transaction longer.
    fn longer(&mut self, history: &History, keep: bool) -> Vec<History> {
        let mut longer = Vec::new();
        // Replicas without a past are alike: only the first of them acts.
        let acted =
            IDS.iter().rposition(|&number| history.vector(history.all()).get(id(number)) > 0);
        let usable = acted.map_or(1, |last| last + 2).min(IDS.len());
        for &number in &IDS[..usable] {
            for seen in history.sets().filter(|&seen| history.knows_itself(seen, id(number))) {
                for choice in 0..self.alphabet.len() {
                    let Some((delta, acts, copy)) = self.edit(history, number, seen, choice) else {
                        continue;
                    };
                    let mut next = history.clone();
                    next.push(delta, acts, seen);
                    if self.reached.insert(next.print(next.all())) {
                        let writer = (seen == history.all()).then_some(copy);
                        self.hear_of(&next, writer, keep);
                        longer.push(next);
                    }
                }
            }
        }
        longer
    }

    /// Returns the delta of a transaction by a replica that has seen these events, unless it comes
    /// to nothing.
    fn edit(
        &mut self,
        history: &History,
        number: u128,
        seen: Seen,
        choice: usize,
    ) -> Option<(Delta, Vec<Act>, Copy<S>)> {
        let plan = history.plan(seen, id(number), &self.alphabet[choice]);
        let mut copy = self.copy(history, seen).at(number);
        let delta = copy.typed.edit(|editor| carry_out::<S>(editor, &plan));
        let untyped = copy.blind.edit(|editor| carry_out::<S>(editor, &plan));
        assert_eq!(delta, untyped, "typed and untyped editing make one delta");
        let delta = delta.expect("what is refused was left out");
        let acts: Vec<Act> = plan.into_iter().flat_map(|step| step.performed).collect();
        assert_eq!(delta.is_empty(), acts.is_empty(), "{delta:?} of {acts:?}");
        (!acts.is_empty()).then_some((delta, acts, copy))
    }

    /// A copy that has seen a set of events.
    fn copy(&mut self, history: &History, set: Seen) -> Rc<Copy<S>> {
        let name = history.print(set);
        if let Some(copy) = self.copies.get(&name) {
            return Rc::clone(copy);
        }
        // Not made before: a history in which a replica other than the first acts alone.
        let last = history.last_of(set).next().expect("the empty set is there from the start");
        let mut copy = self.copy(history, set & !(1 << last)).at(8);
        copy.apply(&history.event(last).delta);
        let copy = Rc::new(copy);
        self.copies.insert(name, Rc::clone(&copy));
        copy
    }

    /// Hears of a history in every way, and checks the outcome against the oracle.
    fn hear_of(&mut self, history: &History, writer: Option<Copy<S>>, keep: bool) {
        let all = history.all();
        let bytes = writer.as_ref().map(Copy::save);
        let mut heard = writer.map(|copy| (copy, bytes.expect("saved")));
        let mut agree = |copy: Copy<S>| {
            let bytes = copy.save();
            match &heard {
                Some((_, known)) => assert_eq!(*known, bytes, "two ways to hear of {history:?}"),
                None => heard = Some((copy, bytes)),
            }
        };
        for last in history.last_of(all) {
            let mut copy = self.copy(history, all & !(1 << last)).at(9);
            copy.apply(&history.event(last).delta);
            agree(copy);
            self.ways += 1;
        }
        let parts: Vec<Seen> = history.sets().filter(|&set| set != all).collect();
        for &one in &parts {
            for &other in parts.iter().filter(|&&other| one | other == all) {
                let mut copy = self.copy(history, one).at(9);
                assert!(copy.merge(&self.copy(history, other)), "it brings something");
                agree(copy);
                self.ways += 1;
            }
        }
        let (mut copy, bytes) = heard.expect("there is a last delta");
        let brings = |event| copy.apply(&history.event(event).delta);
        assert!(!(0..history.len()).any(brings), "a delta again");
        assert!(!parts.iter().any(|&part| copy.merge(&self.copy(history, part))), "a part again");
        assert_eq!(copy.save(), bytes, "what brings nothing changes nothing");
        let mut log = LogTwin::default();
        log.catch_up(history, all);
        hold_to_oracle(&copy.typed, &bytes, &log, history, all);
        if keep {
            self.copies.insert(history.print(all), Rc::new(copy));
        }
    }
}
