//! The replicas of a script, by name, and the policy of their value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin_crdts::path::Items;
use rejoin_crdts::{Clock, FreshId, RawAtom, Replica, ReplicaId};
use rejoin_resolve::{Context, Customs, Policy, Record, ResolveError, Siblings};
use serde_json::Value as Json;

/// A clock that a script sets.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now_millis(&mut self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Site {
    name: String,
    value: Replica<Siblings<RawAtom>, Hands>,
    customs: Customs,
}

/// All replicas of a script.
#[derive(Default)]
pub(crate) struct Cast {
    sites: Vec<Site>,
    time: Hands,
    policy: Option<Policy>,
    predecessors: BTreeMap<ReplicaId, ReplicaId>,
}

type Output = Result<Vec<String>, String>;

impl Cast {
    /// Runs one line:
    ///
    /// - `replicas a b c`; `a is replaced by b`, with what a has
    /// - `policy <JSON>`, in which `$a` is the id of a; `a knows shortest in version 1`
    /// - `a at 10:00 writes <JSON>`; `a clears`
    /// - `a hears b`; `sync` merges all with all
    /// - `show a`; `same` prints if all have the same answer
    pub(crate) fn run(&mut self, line: &str) -> Output {
        if let Some((who, json)) = line.split_once(" writes ") {
            return self.write(who, json);
        }
        if let Some(json) = line.strip_prefix("policy ") {
            let named = self.sites.iter().fold(json.to_owned(), |json, site| {
                json.replace(&format!("${}", site.name), &site.value.id().to_string())
            });
            let policy: Policy = serde_json::from_str(&named).map_err(|error| error.to_string())?;
            self.policy = Some(policy);
            return Ok(Vec::new());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["replicas", names @ ..] => names.iter().for_each(|name| self.add(name)),
            [who, "is", "replaced", "by", name] => {
                self.add(name);
                let (old, new) = (self.place(who)?, self.place(name)?);
                self.predecessors.insert(self.sites[new].value.id(), self.sites[old].value.id());
                self.hear(new, old);
                self.sites.remove(old);
            }
            [who, "knows", name, "in", "version", version] => {
                let version = version.parse().map_err(|_| "a version is a number")?;
                let place = self.place(who)?;
                self.sites[place].customs.register(*name, version, |siblings| {
                    let values = siblings.iter().map(|sibling| sibling.value.clone());
                    values.min_by_key(|value| (value.as_bytes().len(), value.clone()))
                });
            }
            [who, "clears"] => {
                let place = self.place(who)?;
                let cleared = self.sites[place].value.edit(|value| value.clear());
                cleared.map_err(|error| error.to_string())?;
            }
            [to, "hears", from] => {
                let (to, from) = (self.place(to)?, self.place(from)?);
                self.hear(to, from);
            }
            ["sync"] => {
                let count = self.sites.len();
                for _ in 0..2 {
                    (0..count).for_each(|to| (0..count).for_each(|from| self.hear(to, from)));
                }
            }
            ["show", who] => return self.show(self.place(who)?),
            ["same"] => {
                let all: Result<Vec<_>, _> =
                    (0..self.sites.len()).map(|at| self.show(at)).collect();
                let is_same = all?.windows(2).all(|two| two[0] == two[1]);
                return Ok(vec![if is_same { "yes" } else { "no" }.to_owned()]);
            }
            _ => return Err(format!("what is {line:?}?")),
        }
        Ok(Vec::new())
    }

    fn add(&mut self, name: &str) {
        let number = self.predecessors.len() + self.sites.len() + 1;
        let id = FreshId::assume_fresh(ReplicaId::from_u128((number as u128) << 96));
        let value = Replica::with_clock(id, self.time.clone());
        self.sites.push(Site { name: name.to_owned(), value, customs: Customs::default() });
    }

    fn place(&self, name: &str) -> Result<usize, String> {
        let place = self.sites.iter().position(|site| site.name == name);
        place.ok_or_else(|| format!("nobody is called {name}"))
    }

    fn write(&mut self, who: &str, json: &str) -> Output {
        let (who, at) = who.split_once(" at ").ok_or("somebody writes at a time")?;
        let (hours, minutes) = at.split_once(':').ok_or("a time has a colon")?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| "a time is of numbers");
        let minutes = number(hours)? * 60 + number(minutes)?;
        self.time.0.store(1_700_000_000_000 + minutes * 60_000, Ordering::Relaxed);
        let json = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let (place, value) = (self.place(who)?, atom(&json)?);
        let written = self.sites[place].value.edit(|text| text.set(value.clone()));
        written.map(|_| Vec::new()).map_err(|error| error.to_string())
    }

    fn hear(&mut self, to: usize, from: usize) {
        if to == from {
            return;
        }
        let (to, from) = if to < from {
            let (before, rest) = self.sites.split_at_mut(from);
            (&mut before[to], &rest[0])
        } else {
            let (before, rest) = self.sites.split_at_mut(to);
            (&mut rest[0], &before[from])
        };
        to.value.merge(&from.value);
    }

    fn show(&self, at: usize) -> Output {
        let policy = self.policy.as_ref().ok_or("no policy yet")?;
        let Site { value, customs, .. } = &self.sites[at];
        let mut context = Context::with(customs);
        context.predecessors = Some(&self.predecessors);
        let all = value.read(|value| value.all()).map_err(|error| error.to_string())?;
        let shown = |atoms: Vec<&RawAtom>| {
            let all: Vec<String> = atoms.into_iter().map(|atom| show(atom).to_string()).collect();
            if all.is_empty() { "nothing".to_owned() } else { all.join(" | ") }
        };
        match value.read(|value| value.resolve(policy, &context)) {
            Ok(resolution) => {
                let stands = shown(resolution.values.iter().map(|answer| &answer.value).collect());
                let is_aside = |dot| resolution.set_aside.contains(dot);
                let aside: Vec<_> = all.iter().filter(|sibling| is_aside(&sibling.dot)).collect();
                let mut lines = vec![stands];
                if !aside.is_empty() {
                    let values = aside.iter().map(|sibling| &sibling.value).collect();
                    lines.push(format!("set aside: {}", shown(values)));
                }
                Ok(lines)
            }
            Err(ResolveError::Missing(missing)) => {
                let siblings = shown(all.iter().map(|sibling| &sibling.value).collect());
                Ok(vec![missing.to_string(), format!("siblings: {siblings}")])
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A JSON value as an atom: an object is a record.
fn atom(json: &Json) -> Result<RawAtom, String> {
    Ok(match json {
        Json::Null => RawAtom::of(&None::<bool>),
        Json::Bool(value) => RawAtom::of(value),
        Json::Number(number) => RawAtom::of(&number.as_i64().ok_or("numbers are integers here")?),
        Json::String(text) => RawAtom::of(text),
        Json::Array(items) => {
            RawAtom::of(&Items(items.iter().map(atom).collect::<Result<Vec<_>, _>>()?))
        }
        Json::Object(fields) => {
            let field = |(name, json): (&String, &Json)| Ok((name.clone(), atom(json)?));
            RawAtom::of(&Record(fields.iter().map(field).collect::<Result<_, String>>()?))
        }
    })
}

/// An atom as JSON.
fn show(atom: &RawAtom) -> Json {
    if let Ok(Record(fields)) = atom.to() {
        return fields.iter().map(|(name, value)| (name.clone(), show(value))).collect();
    }
    if let Ok(Items(items)) = atom.to::<Items<RawAtom>>() {
        return items.iter().map(show).collect();
    }
    let text = atom.to::<String>().map(Json::from);
    let number = |_| atom.to::<i64>().map(Json::from);
    let flag = |_| atom.to::<bool>().map(Json::from);
    text.or_else(number).or_else(flag).unwrap_or(Json::Null)
}
