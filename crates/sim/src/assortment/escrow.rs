//! However the network is partitioned, all replicas together never spend more than was granted.

use std::collections::BTreeMap;

use super::Wishes;
use super::load::Operation;
use super::objects::ObjectPath;
use crate::application::Snapshot;
use crate::violation::{Broken, Checked};

/// Compares the sums of all grants and spendings that were committed anywhere.
pub(super) fn check(snapshot: &Snapshot<'_, Wishes>) -> Checked {
    if snapshot.was_fooled() {
        return Ok(());
    }
    let mut stocks: BTreeMap<&ObjectPath, (u64, u64)> = BTreeMap::new();
    for operation in snapshot.happened().flat_map(|committed| &committed.request.0) {
        let (granted, spent) = stocks.entry(operation.place()).or_default();
        match operation {
            Operation::Grant(_, amount) => *granted += amount,
            Operation::Spend(_, amount) => *spent += amount,
            _ => {}
        }
    }
    let oversold = stocks.into_iter().find(|(_, (granted, spent))| spent > granted);
    let Some((place, (granted, spent))) = oversold else { return Ok(()) };
    let what = format!("of {granted} at {place}, {spent} were spent");
    Err(Broken::new("escrow", what))
}
