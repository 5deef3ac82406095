//! An index has what stands in the cells at that moment, and nothing else, whatever the disk went
//! through.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rejoin_crdts::edit::Source;
use rejoin_crdts::index::{Index, is_seen, standing};
use rejoin_crdts::{Kind, Path, RawAtom};
use rejoin_replica::SpaceCore;

use crate::violation::{Broken, Checked};

/// The places that are indexed, in objects of all types: registers, flags and sets, below maps,
/// lists and trees.
const INDEXED: [&[Kind]; 8] = [
    &[Kind::LwwRegister],
    &[Kind::MvRegister],
    &[Kind::EnableWinsFlag],
    &[Kind::Set, Kind::Element],
    &[Kind::RwSet, Kind::Contested],
    &[Kind::Map, Kind::Set, Kind::Element],
    &[Kind::List, Kind::LwwRegister],
    &[Kind::Tree, Kind::LwwRegister],
];

/// Compares every index of a replica with a walk through its cells.
pub(crate) fn check_indexes(core: &mut SpaceCore) -> Checked {
    let indexes = INDEXED.map(Index::over);
    core.keep_indexes(&indexes)?;
    let source = core.source();
    let unread = |error: rejoin_crdts::ReadError| Broken::new("indexes", error.to_string());
    let mut cells: Vec<(usize, RawAtom, Path)> = Vec::new();
    let walked = source.visit(&[], &[], &mut |path, cell| {
        for (number, _) in indexes.iter().enumerate().filter(|(_, index)| index.names(path)) {
            let Ok(place) = Path::parse(path.to_vec()) else { continue };
            let values = standing(path, cell).into_iter();
            cells.extend(values.map(|value| (number, value, place.clone())));
        }
        ControlFlow::Continue(())
    });
    walked.map_err(unread)?;
    for (number, index) in indexes.iter().enumerate() {
        let found = source.find(index, &.., &|_| true, None, usize::MAX).map_err(unread)?;
        let found = found.unwrap_or_default().into_iter();
        let found: BTreeSet<_> = found.map(|found| (found.value, found.path)).collect();
        let mut there = BTreeSet::new();
        for (_, value, path) in cells.iter().filter(|(of, ..)| *of == number) {
            if is_seen(&source, path).map_err(unread)? {
                there.insert((value.clone(), path.clone()));
            }
        }
        Broken::unless(found == there, "indexes", || {
            let odd: Vec<_> = found.symmetric_difference(&there).take(3).collect();
            format!("{:?} has an index that differs from its cells in {odd:?}", core.replica())
        })?;
    }
    Ok(())
}
