//! Loro.

use loro::{ExportMode, LoroDoc, LoroValue, ValueOrContainer, VersionVector};

use crate::peer::{Bench, Peer};
use crate::peers::documents::{self, Document};
use crate::peers::keyed::Keyed;
use crate::work::{Edits, Work};

pub(crate) struct Loro;

impl Peer for Loro {
    fn name(&self) -> &'static str {
        "loro"
    }

    fn package(&self) -> &'static str {
        "loro"
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        documents::prepare::<LoroDocument>(work)
    }
}

struct LoroDocument {
    doc: LoroDoc,
}

impl LoroDocument {
    fn import(&self, bytes: &[u8]) {
        self.doc.import(bytes).expect("bytes of their own");
    }
}

impl Keyed for LoroDocument {
    fn new(writer: u64) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(writer).expect("no change yet");
        Self { doc }
    }

    fn put(&mut self, keys: &[String], value: i64, edits: Edits) {
        let map = self.doc.get_map("map");
        for key in keys {
            map.insert(key, value).expect("attached");
            if edits == Edits::One {
                self.doc.commit();
            }
        }
        self.doc.commit();
    }

    fn get(&self, key: &str) -> Option<i64> {
        match self.doc.get_map("map").get(key)? {
            ValueOrContainer::Value(LoroValue::I64(value)) => Some(value),
            _ => None,
        }
    }

    fn len(&self) -> u64 {
        self.doc.get_map("map").len() as u64
    }
}

impl Document for LoroDocument {
    fn copy(&mut self, writer: u64) -> Self {
        let doc = self.doc.fork();
        doc.set_peer_id(writer).expect("no change pending");
        Self { doc }
    }

    fn catch_up(&mut self, other: &mut Self) {
        let here = self.doc.oplog_vv();
        let updates = other.doc.export(ExportMode::updates(&here)).expect("exports");
        self.import(&updates);
    }

    fn exchange(&mut self, other: &mut Self) -> (u64, u64) {
        let since = |doc: &LoroDoc, vector: &[u8]| {
            let vector = VersionVector::decode(vector).expect("a vector of their own");
            doc.export(ExportMode::updates(&vector)).expect("exports")
        };
        let asked = self.doc.oplog_vv().encode();
        let (answer, there) = (since(&other.doc, &asked), other.doc.oplog_vv().encode());
        self.import(&answer);
        let last = since(&self.doc, &there);
        other.import(&last);
        ((asked.len() + answer.len() + there.len() + last.len()) as u64, 3)
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.export(ExportMode::Snapshot).expect("exports")
    }

    fn load(bytes: &[u8]) -> Self {
        let loaded = Self::new(9);
        loaded.import(bytes);
        loaded
    }

    fn insert(&mut self, at: u64, value: i64) {
        self.doc.get_list("list").insert(at as usize, value).expect("in range");
        self.doc.commit();
    }

    fn items(&self) -> u64 {
        self.doc.get_list("list").len() as u64
    }
}
