//! The replicas of a script, by name, and the deltas that it has named.

use std::collections::BTreeMap;

use rejoin_crdts::ordered::NodeId;
use rejoin_crdts::{BoundedCounter, Delta, Doc, FreshId, Replica, ReplicaId};
use rejoin_derive::Crdt;

use crate::command;

/// The same document with a bounded counter, which only a struct can make.
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Hall {
    seats: BoundedCounter,
}

/// All replicas and deltas of a script.
#[derive(Default)]
pub(crate) struct Cast {
    replicas: BTreeMap<String, Replica<Doc>>,
    deltas: BTreeMap<String, Delta>,
    nodes: BTreeMap<String, NodeId>,
    ids: u128,
}

type Output = Result<Vec<String>, String>;

impl Cast {
    /// Runs one line:
    ///
    /// - `replicas a b c`; `fork a as b`
    /// - `a: <edit>`, several with `;`; `a [name]: <edit>` names the delta
    /// - `b hears name`; `a -> b`, `a <-> b` merge states; `sync` merges all with all
    /// - `show a`; `same` prints if all copies save the same bytes; `held a`
    pub(crate) fn run(&mut self, line: &str) -> Output {
        if let Some((who, edit)) = line.split_once(": ") {
            return self.edit(who, edit);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["replicas", names @ ..] => {
                for name in names {
                    let id = self.next_id();
                    self.replicas.insert((*name).to_owned(), Replica::new(id));
                }
                Ok(Vec::new())
            }
            ["fork", from, "as", to] => {
                let id = self.next_id();
                let fork = self.replica(from)?.fork(id);
                self.replicas.insert((*to).to_owned(), fork);
                Ok(Vec::new())
            }
            [to, "hears", name] => self.hear(to, name),
            [from, "->", to] => self.merge(from, to),
            [a, "<->", b] => {
                self.merge(a, b)?;
                self.merge(b, a)
            }
            ["sync"] => self.sync(),
            ["show", who] => Ok(vec![self.replica(who)?.value().to_string()]),
            ["held", who] => Ok(vec![self.replica(who)?.held().to_string()]),
            ["same"] => Ok(vec![self.same()]),
            _ => Err(format!("what is {line:?}?")),
        }
    }

    fn next_id(&mut self) -> FreshId {
        self.ids += 1;
        FreshId::assume_fresh(ReplicaId::from_u128(self.ids << 96))
    }

    fn replica(&self, name: &str) -> Result<&Replica<Doc>, String> {
        self.replicas.get(name).ok_or_else(|| format!("nobody is called {name}"))
    }

    /// Performs an edit. An edit that is refused prints the reason, and changes nothing.
    fn edit(&mut self, who: &str, edit: &str) -> Output {
        let (who, name) = match who.split_once(" [") {
            Some((who, name)) => (who, name.strip_suffix(']')),
            None => (who, None),
        };
        let ids: BTreeMap<String, ReplicaId> =
            self.replicas.iter().map(|(name, replica)| (name.clone(), replica.id())).collect();
        let Self { replicas, nodes, .. } = self;
        let replica = replicas.get_mut(who).ok_or_else(|| format!("nobody is called {who}"))?;
        let mut wrong = None;
        let done = if edit.starts_with("seats ") {
            replica.edit_as::<Hall>(|hall| {
                command::seats(&mut hall.seats(), edit, &ids).unwrap_or_else(|error| {
                    wrong = Some(error);
                    Ok(())
                })
            })
        } else {
            replica.edit(|doc| {
                edit.split("; ").try_for_each(|one| match command::perform(doc, one, nodes) {
                    Ok(result) => result,
                    Err(error) => {
                        wrong = Some(error);
                        Ok(())
                    }
                })
            })
        };
        match (wrong, done) {
            (Some(error), _) => Err(error),
            (None, Ok(delta)) => {
                if let Some(name) = name {
                    self.deltas.insert(name.to_owned(), delta);
                }
                Ok(Vec::new())
            }
            (None, Err(error)) => Ok(vec![format!("refused: {error}")]),
        }
    }

    /// Prints the decisions of the replica.
    fn hear(&mut self, who: &str, name: &str) -> Output {
        let delta = self.deltas.get(name).ok_or_else(|| format!("no delta is called {name}"))?;
        let replica =
            self.replicas.get_mut(who).ok_or_else(|| format!("nobody is called {who}"))?;
        let mut decisions = Vec::new();
        replica.apply_reporting(delta, &mut |record| decisions.push(record.to_string()));
        Ok(decisions)
    }

    fn merge(&mut self, from: &str, to: &str) -> Output {
        let id = FreshId::assume_fresh(ReplicaId::from_u128(u128::MAX));
        let state = self.replica(from)?.fork(id);
        let to = self.replicas.get_mut(to).ok_or_else(|| format!("nobody is called {to}"))?;
        to.merge(&state);
        Ok(Vec::new())
    }

    fn sync(&mut self) -> Output {
        let names: Vec<String> = self.replicas.keys().cloned().collect();
        for (from, to) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
            self.merge(from, to)?;
        }
        names
            .iter()
            .flat_map(|a| names.iter().map(move |b| (a, b)))
            .try_for_each(|(from, to)| self.merge(from, to).map(drop))?;
        Ok(Vec::new())
    }

    fn same(&self) -> String {
        let mut saved = self.replicas.values().map(Replica::save);
        let first = saved.next();
        if saved.all(|bytes| Some(bytes) == first) { "yes" } else { "no" }.to_owned()
    }
}
