//! Copies of one value and the network between them, driven by a script.
//!
//! The script says what is edited and what happens to every message: it arrives, arrives twice,
//! overtakes others, or is lost; links are cut and come back. A script stays meaningful whatever
//! steps are removed from it, so that it can be shrunk ([`shrink`](super::shrink)).

use std::borrow::ToOwned;
use std::cell::RefCell;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;
use rejoin_vclock::ReplicaId;

use super::any_op::AnyOp;
use super::subject::DeltaCrdt;

/// First id of the copies that the laws make; the copies of a script count from one.
const OUTSIDE: u128 = 1 << 12;

/// The id of a copy of which only the state matters.
pub(super) const READER: ReplicaId = id(OUTSIDE);

/// An id that shows its number in its first digits.
pub(super) const fn id(number: u128) -> ReplicaId {
    ReplicaId::from_u128(number << 96)
}

/// The id of a copy that a law lets edit or compares with another.
pub(super) const fn outside(number: u128) -> ReplicaId {
    id(OUTSIDE + number)
}

/// A step, under a number that it keeps when others are taken out of the script.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) tag: usize,
    pub(super) step: Step,
}

/// The choice of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick {
    /// One of those under way, whichever they are.
    Any(usize),
    /// The one that a step sent to a copy.
    Of { sent: usize, to: usize },
}

/// One event.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A copy is edited; its delta is sent to all others.
    Edit { at: usize, op: AnyOp },
    /// A message arrives; `again` leaves it under way, to arrive once more.
    Arrive { pick: Pick, again: bool },
    /// A message is lost.
    Lose { pick: Pick },
    /// A copy merges another as it is now.
    Merge { from: usize, to: usize },
    /// A copy sends its whole state, which grows old on the way.
    Send { from: usize, to: usize },
    /// The copies whose bits are set are cut off from the others.
    Cut { side: u8 },
    /// All links are restored.
    Heal,
    /// A copy goes on under another identity.
    Fork { at: usize },
    /// A copy is saved, and loaded under another identity.
    Load { at: usize },
}

/// Generates scripts for `copies` copies, of at most `steps` steps.
pub(super) fn script(
    operations: &BoxedStrategy<AnyOp>,
    copies: usize,
    steps: usize,
) -> impl Strategy<Value = Vec<Event>> + use<> {
    let at = 0..copies;
    let two = (at.clone(), at.clone());
    let pick = (0..64_usize).prop_map(Pick::Any).boxed();
    let edit = (at.clone(), operations.clone()).prop_map(|(at, op)| Step::Edit { at, op });
    let step = prop_oneof![
        8 => edit,
        6 => (pick.clone(), prop::bool::weighted(0.2))
            .prop_map(|(pick, again)| Step::Arrive { pick, again }),
        1 => pick.prop_map(|pick| Step::Lose { pick }),
        3 => two.clone().prop_map(|(from, to)| Step::Merge { from, to }),
        1 => two.prop_map(|(from, to)| Step::Send { from, to }),
        1 => (1_u8..1 << (copies - 1)).prop_map(|side| Step::Cut { side }),
        1 => Just(Step::Heal),
        1 => at.clone().prop_map(|at| Step::Fork { at }),
        1 => at.prop_map(|at| Step::Load { at }),
    ];
    let numbered = |(tag, step)| Event { tag, step };
    prop::collection::vec(step, 0..=steps)
        .prop_map(move |steps| steps.into_iter().enumerate().map(numbered).collect())
}

/// The events in words; recorded only if somebody will read them.
#[derive(Default)]
pub(super) struct Story {
    lines: RefCell<Vec<String>>,
    silent: bool,
}

impl Story {
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// The lines so far, which outlive a panic of the type under test.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Records the event that is about to happen.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if !self.silent {
            self.lines.borrow_mut().push(line());
        }
    }

    /// Adds the outcome to the last line.
    fn add(&self, more: impl FnOnce() -> String) {
        if let (false, Some(line)) = (self.silent, self.lines.borrow_mut().last_mut()) {
            *line += &more();
        }
    }

    /// The number of the last line, as it is printed.
    fn number(&self) -> usize {
        self.lines.borrow().len()
    }
}

/// An edit that was made, and the line that records it.
pub(super) struct Made<C: DeltaCrdt> {
    pub(super) delta: C::Delta,
    line: usize,
}

/// Something under way.
struct Message<C> {
    /// The step that sent it.
    sent: usize,
    from: usize,
    to: usize,
    what: Freight<C>,
}

/// The content of a message.
enum Freight<C> {
    /// The delta of an edit, by its number.
    Delta(usize),
    /// A state as it was when it was sent, and the line that records it.
    State { state: C, line: usize },
}

/// The copies and the network.
pub(super) struct World<'s, C: DeltaCrdt> {
    pub(super) copies: Vec<C>,
    pub(super) made: Vec<Made<C>>,
    under_way: Vec<Message<C>>,
    /// A bit per copy: links lead only to copies with the same bit.
    side: u8,
    last_id: u128,
    /// The number of the step that is being taken.
    now: usize,
    story: &'s Story,
}

/// The name of a copy.
pub(super) fn name(at: usize) -> char {
    char::from(b'A' + u8::try_from(at).unwrap_or(0))
}

impl<'s, C: DeltaCrdt> World<'s, C> {
    pub(super) fn new(copies: usize, story: &'s Story) -> Self {
        let ids = (1..).take(copies);
        Self {
            copies: ids.map(|number| C::new(id(number))).collect(),
            made: Vec::new(),
            under_way: Vec::new(),
            side: 0,
            last_id: 16,
            now: 0,
            story,
        }
    }

    /// The copy that a step may change.
    pub(super) fn target(&self, step: &Step) -> Option<usize> {
        match *step {
            Step::Edit { at, .. } | Step::Fork { at } | Step::Load { at } => Some(at),
            Step::Arrive { pick, .. } => {
                let message = self.under_way.get(self.position(pick)?)?;
                self.linked(message.from, message.to).then_some(message.to)
            }
            Step::Merge { from, to } => (from != to && self.linked(from, to)).then_some(to),
            Step::Lose { .. } | Step::Send { .. } | Step::Cut { .. } | Step::Heal => None,
        }
    }

    fn linked(&self, from: usize, to: usize) -> bool {
        (self.side >> from & 1) == (self.side >> to & 1)
    }

    fn position(&self, pick: Pick) -> Option<usize> {
        match pick {
            Pick::Any(pick) => pick.checked_rem(self.under_way.len()),
            Pick::Of { sent, to } => {
                self.under_way.iter().position(|message| message.sent == sent && message.to == to)
            }
        }
    }

    /// Returns the same step, naming its message by a property that stays when other steps are
    /// removed; `None` when there is no such message.
    pub(super) fn by_name(&self, step: &Step) -> Option<Step> {
        let name = |pick| {
            let &Message { sent, to, .. } = self.under_way.get(self.position(pick)?)?;
            Some(Pick::Of { sent, to })
        };
        match *step {
            Step::Arrive { pick, again } => Some(Step::Arrive { pick: name(pick)?, again }),
            Step::Lose { pick } => Some(Step::Lose { pick: name(pick)? }),
            ref other => Some(other.clone()),
        }
    }

    /// Takes a step and returns the answer of an apply or a merge.
    pub(super) fn perform(&mut self, event: &Event) -> Option<bool> {
        self.now = event.tag;
        match &event.step {
            Step::Edit { at, op } => self.edit(*at, op),
            Step::Arrive { pick, again } => return self.arrive(*pick, *again),
            Step::Lose { pick } => self.lose(*pick),
            Step::Merge { from, to } => return self.merge(*from, *to),
            Step::Send { from, to } => self.send(*from, *to),
            Step::Cut { side } => self.cut(*side),
            Step::Heal => self.heal(),
            Step::Fork { at } => self.fork(*at),
            Step::Load { at } => self.load(*at),
        }
        None
    }

    fn edit(&mut self, at: usize, op: &AnyOp) {
        self.story.tell(|| format!("{}: {op:?}", name(at)));
        let Some(delta) = self.copies[at].edit(op.get()) else {
            self.story.add(|| ", which does nothing".to_owned());
            return;
        };
        self.shows(at);
        let number = self.made.len();
        self.made.push(Made { delta, line: self.story.number() });
        for to in (0..self.copies.len()).filter(|&to| to != at) {
            let what = Freight::Delta(number);
            self.under_way.push(Message { sent: self.now, from: at, to, what });
        }
    }

    fn arrive(&mut self, pick: Pick, again: bool) -> Option<bool> {
        let pick = self.position(pick)?;
        let message = self.under_way.get(pick)?;
        if !self.linked(message.from, message.to) {
            return None;
        }
        let message = self.under_way.remove(pick);
        let (to, about) = (message.to, self.about(&message));
        let more = if again { ", which will come again" } else { "" };
        self.story.tell(|| format!("{} gets {about}{more}", name(to)));
        let told = match &message.what {
            Freight::Delta(number) => self.copies[to].apply(&self.made[*number].delta),
            Freight::State { state, .. } => self.copies[to].merge(state),
        };
        self.shows(to);
        if again {
            self.under_way.push(message);
        }
        Some(told)
    }

    fn about(&self, message: &Message<C>) -> String {
        if self.story.silent {
            return String::new();
        }
        match &message.what {
            Freight::Delta(number) => format!("the delta of line {}", self.made[*number].line),
            Freight::State { line, .. } => format!("the state that was sent in line {line}"),
        }
    }

    fn lose(&mut self, pick: Pick) {
        let Some(pick) = self.position(pick) else { return };
        let message = self.under_way.remove(pick);
        let about = self.about(&message);
        self.story.tell(|| format!("{about} is lost on its way to {}", name(message.to)));
    }

    fn merge(&mut self, from: usize, to: usize) -> Option<bool> {
        if !self.linked(from, to) {
            return None;
        }
        let Ok([theirs, ours]) = self.copies.get_disjoint_mut([from, to]) else { return None };
        self.story.tell(|| format!("{} merges {}", name(to), name(from)));
        let told = ours.merge(theirs);
        self.shows(to);
        Some(told)
    }

    fn send(&mut self, from: usize, to: usize) {
        if from == to || !self.linked(from, to) {
            return;
        }
        self.story.tell(|| format!("{} sends its state to {}", name(from), name(to)));
        let id = self.next_id();
        let state = self.copies[from].fork(id);
        let what = Freight::State { state, line: self.story.number() };
        self.under_way.push(Message { sent: self.now, from, to, what });
    }

    fn cut(&mut self, side: u8) {
        self.side = side;
        let cut_off = (0..self.copies.len()).filter(|at| side >> at & 1 == 1).map(name);
        self.story.tell(|| format!("the links to {} are cut", cut_off.collect::<String>()));
    }

    /// Restores all links.
    pub(super) fn heal(&mut self) {
        if self.side != 0 {
            self.side = 0;
            self.story.tell(|| "all links are there again".to_owned());
        }
    }

    fn fork(&mut self, at: usize) {
        self.story.tell(|| format!("{0} is forked, and the fork is {0} now", name(at)));
        let id = self.next_id();
        self.copies[at] = self.copies[at].fork(id);
        self.shows(at);
    }

    fn load(&mut self, at: usize) {
        self.story.tell(|| format!("{} is saved and loaded", name(at)));
        let id = self.next_id();
        if let Some(loaded) = C::load(&self.copies[at].save(), id) {
            self.copies[at] = loaded;
        }
        self.shows(at);
    }

    fn next_id(&mut self) -> ReplicaId {
        self.last_id += 1;
        id(self.last_id)
    }

    fn shows(&self, at: usize) {
        self.story.add(|| format!("  ->  {} shows {:?}", name(at), self.copies[at].view()));
    }
}
