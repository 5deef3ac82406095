//! The peers. Who joins implements [`Peer`] in a file of its own, and is named here.

mod automerge;
mod collections;
mod crdts;
mod documents;
mod engines;
mod keyed;
mod lattices;
mod loro;
mod objects;
mod rejoin;
mod stored;
mod yrs;

use crate::peer::Peer;

/// All of them, ours first and the plain collections last.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(rejoin::Rejoin { is_fastest: false }),
        Box::new(rejoin::Rejoin { is_fastest: true }),
        Box::new(crdts::Crdts),
        Box::new(lattices::Lattices),
        Box::new(yrs::Yrs),
        Box::new(loro::Loro),
        Box::new(automerge::Automerge),
        Box::new(engines::Redb),
        Box::new(engines::Fjall),
        Box::new(engines::Sqlite),
        Box::new(collections::Collections),
        Box::new(engines::Append),
    ]
}
