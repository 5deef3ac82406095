//! Yrs, the Rust port of Yjs.

use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Array, ArrayRef, Doc, Map, MapRef, Out, ReadTxn, StateVector, Transact, Update};

use crate::peer::{Bench, Peer};
use crate::peers::documents::{self, Document};
use crate::peers::keyed::Keyed;
use crate::work::{Edits, Work};

pub(crate) struct Yrs;

impl Peer for Yrs {
    fn name(&self) -> &'static str {
        "yrs"
    }

    fn package(&self) -> &'static str {
        "yrs"
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        documents::prepare::<YrsDocument>(work)
    }
}

struct YrsDocument {
    doc: Doc,
    map: MapRef,
    list: ArrayRef,
}

impl YrsDocument {
    fn over(doc: Doc) -> Self {
        let (map, list) = (doc.get_or_insert_map("map"), doc.get_or_insert_array("list"));
        Self { doc, map, list }
    }

    fn take_in(&self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("an update of their own");
        self.doc.transact_mut().apply_update(update).expect("applies");
    }
}

impl Keyed for YrsDocument {
    fn new(writer: u64) -> Self {
        Self::over(Doc::with_client_id(writer))
    }

    fn put(&mut self, keys: &[String], value: i64, edits: Edits) {
        match edits {
            Edits::One => {
                for key in keys {
                    self.map.insert(&mut self.doc.transact_mut(), key.as_str(), value);
                }
            }
            Edits::All => {
                let mut all = self.doc.transact_mut();
                for key in keys {
                    self.map.insert(&mut all, key.as_str(), value);
                }
            }
        }
    }

    fn get(&self, key: &str) -> Option<i64> {
        match self.map.get(&self.doc.transact(), key)? {
            Out::Any(yrs::Any::Number(value)) => value.as_i64(),
            _ => None,
        }
    }

    fn len(&self) -> u64 {
        u64::from(self.map.len(&self.doc.transact()))
    }
}

impl Document for YrsDocument {
    fn copy(&mut self, writer: u64) -> Self {
        let copy = Self::new(writer);
        copy.take_in(&self.save());
        copy
    }

    fn catch_up(&mut self, other: &mut Self) {
        let here = self.doc.transact().state_vector();
        let update = other.doc.transact().encode_diff_v1(&here);
        self.take_in(&update);
    }

    fn exchange(&mut self, other: &mut Self) -> (u64, u64) {
        let asked = self.doc.transact().state_vector().encode_v1();
        let here = StateVector::decode_v1(&asked).expect("a vector of their own");
        let answer = other.doc.transact().encode_diff_v1(&here);
        let there = other.doc.transact().state_vector().encode_v1();
        self.take_in(&answer);
        let there_read = StateVector::decode_v1(&there).expect("a vector of their own");
        let last = self.doc.transact().encode_diff_v1(&there_read);
        other.take_in(&last);
        ((asked.len() + answer.len() + there.len() + last.len()) as u64, 3)
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn load(bytes: &[u8]) -> Self {
        let loaded = Self::new(9);
        loaded.take_in(bytes);
        loaded
    }

    fn insert(&mut self, at: u64, value: i64) {
        self.list.insert(&mut self.doc.transact_mut(), at as u32, value);
    }

    fn items(&self) -> u64 {
        u64::from(self.list.len(&self.doc.transact()))
    }
}
