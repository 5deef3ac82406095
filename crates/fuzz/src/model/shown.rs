//! What a copy should show, as lines: a place, and the value there in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Alive, Fault, Op, Rule};

/// Everything that is to be seen: places, and what stands there.
pub(crate) type Shown = BTreeMap<String, String>;

/// What type stands at a place.
#[derive(Debug)]
pub(crate) enum Shape {
    Counter,
    Register(Rule),
    Flag,
    ContestedFlag,
    Set,
    ContestedSet,
    Bounded,
    Map(&'static Self),
    Struct(&'static [(&'static str, Self)]),
    Items(&'static Self),
    /// Names that begin with `c` are counters; the others are registers.
    Doc,
}

/// Shows a place and all below it.
pub(crate) fn show(alive: &Alive<'_>, place: &[String], shape: &Shape, out: &mut Shown) {
    let below = |name: &str| [place, &[name.to_owned()]].concat();
    match shape {
        Shape::Struct(fields) => {
            fields.iter().for_each(|(name, shape)| show(alive, &below(name), shape, out));
        }
        Shape::Map(value) => {
            for name in alive.names(place) {
                let key = below(&name);
                if alive.is_visible(&key) {
                    out.insert(key.join("/"), "key".into());
                    show(alive, &key, value, out);
                }
            }
        }
        Shape::Doc => {
            for name in alive.names(place) {
                let key = below(&name);
                let is_counter = name.starts_with('c');
                let value = if is_counter { Shape::Counter } else { Shape::Register(Rule::Last) };
                if alive.is_visible(&key) {
                    out.insert(format!("{}/", key.join("/")), "name".into());
                    show(alive, &key, &value, out);
                }
            }
        }
        Shape::Items(value) => {
            for name in alive.items(place) {
                let item = below(&name);
                out.insert(item.join("/"), "item".into());
                show(alive, &item, value, out);
            }
        }
        _ => {
            if let Some(line) = leaf(alive, place, shape) {
                out.insert(place.join("/"), line);
            }
        }
    }
}

/// The line of a value that has nothing below it, if there is anything to see.
fn leaf(alive: &Alive<'_>, place: &[String], shape: &Shape) -> Option<String> {
    match shape {
        Shape::Counter => {
            let sum: i64 = alive.at(place).filter_map(|op| counted(&op.act)).sum();
            (sum != 0).then(|| sum.to_string())
        }
        Shape::Register(rule) => register(alive, place, *rule),
        Shape::Flag => alive.at(place).any(|op| op.act == Act::Add).then(|| "on".into()),
        Shape::ContestedFlag => alive.is_vouched(place).then(|| "on".into()),
        Shape::Set | Shape::ContestedSet => {
            let mut names = alive.names(place);
            names.retain(|name| {
                let element = [place, std::slice::from_ref(name)].concat();
                alive.at(&element).any(|op| op.act == Act::Add) || alive.is_vouched(&element)
            });
            (!names.is_empty()).then(|| format!("{names:?}"))
        }
        Shape::Bounded => bounded(alive, place),
        Shape::Map(_) | Shape::Struct(_) | Shape::Items(_) | Shape::Doc => None,
    }
}

const fn counted(act: &Act) -> Option<i64> {
    if let Act::Count(amount) = act { Some(*amount) } else { None }
}

fn register(alive: &Alive<'_>, place: &[String], rule: Rule) -> Option<String> {
    let written = |op: &Op| if let Act::Write(_, value) = op.act { Some(value) } else { None };
    let mut writes: Vec<_> = alive.at(place).filter(|op| written(op).is_some()).collect();
    let values = writes.iter().filter_map(|op| written(op)).collect::<BTreeSet<_>>();
    let lesser = alive.fault == Some(Fault::LesserId);
    match rule {
        Rule::Last => {
            writes.sort_by_key(|op| (op.stamp, op.author));
            if !lesser {
                writes.reverse();
            }
            let values: Vec<_> = writes.iter().filter_map(|op| written(op)).collect();
            (!values.is_empty()).then(|| format!("{values:?}"))
        }
        Rule::All => (!values.is_empty()).then(|| format!("{values:?}")),
        Rule::Greatest => values.last().map(u64::to_string),
        Rule::Least => values.first().map(u64::to_string),
    }
}

/// The value, and the rights of each who holds any, by id.
fn bounded(alive: &Alive<'_>, place: &[String]) -> Option<String> {
    let (mut value, mut rights) = (0, BTreeMap::new());
    for op in alive.at(place) {
        let mut own = |amount: i128| *rights.entry(op.author).or_insert(0) += amount;
        match op.act {
            Act::Grant(amount) => {
                value += i128::from(amount);
                own(amount.into());
            }
            Act::Spend(amount) => {
                value -= i128::from(amount);
                own(-i128::from(amount));
            }
            Act::Pass(amount, to) => {
                own(-i128::from(amount));
                *rights.entry(to).or_insert(0) += i128::from(amount);
            }
            _ => {}
        }
    }
    rights.retain(|_, held| *held != 0);
    (value != 0 || !rights.is_empty()).then(|| format!("{value} {rights:?}"))
}
