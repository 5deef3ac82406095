//! Which operations still have an effect: those that no other one ended that had seen them.

use std::collections::BTreeSet;

use super::{Act, Fault, History, Op, Rule, Seen};

/// The operations that have an effect for somebody.
#[derive(Debug)]
pub(crate) struct Alive<'h> {
    pub(crate) ops: Vec<(usize, &'h Op)>,
    pub(crate) fault: Option<Fault>,
}

impl<'h> Alive<'h> {
    pub(crate) fn new(history: &'h History, seen: &Seen) -> Self {
        let fault = history.fault;
        let all: Vec<_> = seen.iter().map(|number| (number, &history.ops[number])).collect();
        let ended = |number: usize, op: &Op| {
            all.iter().any(|&(other, by)| {
                if matches!(by.act, Act::Count(_) | Act::Add | Act::Exist) {
                    return false;
                }
                let saw = by.seen.contains(number)
                    || (fault == Some(Fault::RemovesUnseen)
                        && by.act == Act::Remove
                        && other > number);
                saw && ends(&by.act, &by.place, op)
            })
        };
        let ops = all.iter().filter(|(number, op)| !ended(*number, op)).copied().collect();
        Self { ops, fault }
    }

    pub(crate) fn at<'a>(&'a self, place: &'a [String]) -> impl Iterator<Item = &'h Op> + 'a {
        self.ops.iter().filter(move |(_, op)| op.place == place).map(|(_, op)| *op)
    }

    /// The hidings of a place that nobody has ended.
    fn hidings(&self, place: &[String]) -> Vec<&'h Op> {
        self.at(place).filter(|op| op.act == Act::Hide).collect()
    }

    pub(crate) fn is_hidden_by_any(&self, place: &[String]) -> bool {
        !self.hidings(place).is_empty()
    }

    /// True if nothing hides a place, or something in it is alive that no hiding had seen.
    pub(crate) fn is_spared(&self, place: &[String]) -> bool {
        let hidings = self.hidings(place);
        hidings.is_empty()
            || self.ops.iter().any(|(number, op)| {
                op.place.starts_with(place)
                    && !matches!(op.act, Act::Hide | Act::Keep | Act::Remove)
                    && hidings.iter().all(|hiding| !hiding.seen.contains(*number))
            })
    }

    /// True if an item or a node exists and is not hidden.
    pub(crate) fn is_there(&self, item: &[String]) -> bool {
        self.at(item).any(|op| op.act == Act::Exist) && self.is_spared(item)
    }

    /// True if there is an addition at a contested place and no removal.
    pub(crate) fn is_vouched(&self, place: &[String]) -> bool {
        let barred = self.at(place).any(|op| op.act == Act::Bar);
        self.at(place).any(|op| op.act == Act::Vouch)
            && (!barred || self.fault == Some(Fault::BarForgotten))
    }

    /// True if anything is to be seen at a place or below.
    pub(crate) fn is_visible(&self, place: &[String]) -> bool {
        self.is_spared(place) && self.ops.iter().any(|(_, op)| self.shows(op, place))
    }

    /// True if an operation makes something visible at a place.
    fn shows(&self, op: &Op, place: &[String]) -> bool {
        let by_itself = match op.act {
            Act::Count(_) | Act::Write(..) | Act::Add | Act::Exist | Act::Grant(_) => true,
            Act::Vouch => self.is_vouched(&op.place),
            _ => false,
        };
        by_itself
            && op.place.starts_with(place)
            && (place.len()..op.place.len()).all(|end| {
                let above = &op.place[..=end];
                let is_item = above.last().is_some_and(|name| name.starts_with('#'));
                if is_item { self.is_there(above) } else { self.is_spared(above) }
            })
    }

    /// The names right below a place at or below which anything is alive.
    pub(crate) fn names(&self, place: &[String]) -> BTreeSet<String> {
        let below = self.ops.iter().filter(|(_, op)| op.place.starts_with(place));
        below.filter_map(|(_, op)| op.place.get(place.len()).cloned()).collect()
    }

    /// The items or nodes that are there, in no order that means anything.
    pub(crate) fn items(&self, place: &[String]) -> Vec<String> {
        let mut items: Vec<_> = self.names(place).into_iter().collect();
        items.retain(|name| name.starts_with('#'));
        items.retain(|name| self.is_there(&[place, std::slice::from_ref(name)].concat()));
        items
    }
}

/// True if an act at a place ends an operation that its author had seen.
fn ends(act: &Act, place: &[String], op: &Op) -> bool {
    let is_here = op.place == place;
    match act {
        Act::Remove => {
            let is_retained =
                matches!(op.act, Act::Bar | Act::Grant(_) | Act::Spend(_) | Act::Pass(..));
            op.place.starts_with(place) && !is_retained
        }
        Act::Write(rule, value) => match op.act {
            Act::Write(_, old) if is_here => match rule {
                Rule::Last | Rule::All => true,
                Rule::Greatest => old <= *value,
                Rule::Least => old >= *value,
            },
            _ => false,
        },
        Act::Mark => is_here && op.act == Act::Mark,
        Act::Vouch | Act::Bar => is_here && matches!(op.act, Act::Vouch | Act::Bar),
        Act::Hide | Act::Keep => is_here && op.act == Act::Hide,
        Act::Put(_) => is_here && matches!(op.act, Act::Put(_)),
        _ => false,
    }
}
