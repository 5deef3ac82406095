//! The table of planted bugs, one file per family.

mod causality;
mod identity;
mod network;
mod storage;
mod sync;
mod values;

use std::sync::LazyLock;

use super::Mutant;

/// Every planted bug.
pub(crate) static PLANTED: LazyLock<Vec<Mutant>> = LazyLock::new(|| {
    [causality::ROWS, values::ROWS, identity::ROWS, storage::ROWS, sync::ROWS, network::ROWS]
        .concat()
});
