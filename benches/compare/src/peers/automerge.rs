//! Automerge.

use automerge::sync::{Message, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};

use crate::peer::{Bench, Peer};
use crate::peers::documents::{self, Document};
use crate::peers::keyed::Keyed;
use crate::work::{Edits, Work};

pub(crate) struct Automerge;

impl Peer for Automerge {
    fn name(&self) -> &'static str {
        "automerge"
    }

    fn package(&self) -> &'static str {
        "automerge"
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        documents::prepare::<AutomergeDocument>(work)
    }
}

struct AutomergeDocument {
    doc: AutoCommit,
    list: Option<ObjId>,
}

fn actor(writer: u64) -> ActorId {
    ActorId::from(writer.to_be_bytes())
}

impl Keyed for AutomergeDocument {
    fn new(writer: u64) -> Self {
        Self { doc: AutoCommit::new().with_actor(actor(writer)), list: None }
    }

    fn put(&mut self, keys: &[String], value: i64, edits: Edits) {
        for key in keys {
            self.doc.put(ROOT, key.as_str(), value).expect("the root is a map");
            if edits == Edits::One {
                self.doc.commit();
            }
        }
        self.doc.commit();
    }

    fn get(&self, key: &str) -> Option<i64> {
        match self.doc.get(ROOT, key).ok()?? {
            (Value::Scalar(value), _) => match value.as_ref() {
                ScalarValue::Int(value) => Some(*value),
                _ => None,
            },
            _ => None,
        }
    }

    fn len(&self) -> u64 {
        self.doc.length(ROOT) as u64
    }
}

impl Document for AutomergeDocument {
    fn copy(&mut self, writer: u64) -> Self {
        Self { doc: self.doc.fork().with_actor(actor(writer)), list: self.list.clone() }
    }

    fn catch_up(&mut self, other: &mut Self) {
        self.doc.merge(&mut other.doc).expect("one document");
    }

    fn exchange(&mut self, other: &mut Self) -> (u64, u64) {
        let (mut here, mut there) = (State::new(), State::new());
        let (mut bytes, mut messages) = (0, 0);
        loop {
            let mut is_quiet = true;
            for turn in 0..2 {
                let (from, of_from, to, of_to) = match turn {
                    0 => (&mut self.doc, &mut here, &mut other.doc, &mut there),
                    _ => (&mut other.doc, &mut there, &mut self.doc, &mut here),
                };
                if let Some(message) = from.sync().generate_sync_message(of_from) {
                    let sent = message.encode();
                    (is_quiet, bytes, messages) = (false, bytes + sent.len() as u64, messages + 1);
                    let message = Message::decode(&sent).expect("a message of their own");
                    to.sync().receive_sync_message(of_to, message).expect("applies");
                }
            }
            if is_quiet {
                return (bytes, messages);
            }
        }
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.save()
    }

    fn load(bytes: &[u8]) -> Self {
        Self { doc: AutoCommit::load(bytes).expect("bytes of their own"), list: None }
    }

    fn insert(&mut self, at: u64, value: i64) {
        let list = self.list.get_or_insert_with(|| {
            self.doc.put_object(ROOT, "list", ObjType::List).expect("the root is a map")
        });
        self.doc.insert(&*list, at as usize, value).expect("in range");
        self.doc.commit();
    }

    fn items(&self) -> u64 {
        self.list.as_ref().map_or(0, |list| self.doc.length(list) as u64)
    }
}
