//! Sets, and flags, which are sets of one element.
//!
//! They differ in who wins when one adds and another removes at the same time. The tables keep the
//! elements in memory: one for sets whose elements are live dots, one for those in which removes
//! contend with adds. One reader serves them all.

mod contest;
mod contest_table;
mod dot_table;
mod element_table;
mod flags;
mod g;
mod or;
mod reader;
mod rw;
mod two_phase;

pub(crate) use contest::Contest;
pub(crate) use contest_table::ContestTable;
pub(crate) use dot_table::DotTable;
pub(crate) use element_table::ElementTable;
pub use flags::{
    DisableWinsFlag, DisableWinsFlagEditor, EnableWinsFlag, EnableWinsFlagEditor, FlagReader,
};
pub use g::{GSet, GSetEditor};
pub use or::{OrSet, OrSetEditor};
pub use reader::SetReader;
pub use rw::{RwSet, RwSetEditor};
pub use two_phase::{TwoPhaseSet, TwoPhaseSetEditor};
