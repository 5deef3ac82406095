//! The changes of a delta, as what somebody did: a place, and an action with its value.

use crate::delta::{AddOrRemove, Change, Correction, Delta, Effect};
use crate::path::{Kind, Path};
use crate::register::siblings::shown;
use crate::value::conflict::{Action, absent, clamped, present};

/// One change of a delta: where, and what was done there.
///
/// The names of items and nodes in the path are their ids (`name.to::<ItemId>()`). Where something
/// with parts is removed, there may be an edit for each part.
///
/// It says what its author did, and not what is to be seen after it: another change may have won.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// The place.
    pub path: Path,
    /// The action. Of a counter it is what the author has counted there in all since a removal;
    /// what a transaction added to it is the difference to the one before.
    pub action: Action,
}

impl Edit {
    /// Iterates over what a delta did, in the order in which it was done.
    pub fn of(delta: &Delta) -> impl Iterator<Item = Self> + '_ {
        delta.changes().filter_map(Self::of_change)
    }

    /// What one operation did; `None` for one that people do not see.
    #[doc(hidden)]
    pub fn of_change(change: Change) -> Option<Self> {
        // A tree's own cell ranks its moves, which are told themselves.
        let is_rank = change.path().kind() == Some(Kind::Tree)
            && matches!(change.effect, Effect::Register { .. });
        (!is_rank).then(|| Self { action: action(&change), path: change.into_path() })
    }
}

fn action(change: &Change) -> Action {
    let path = change.path();
    match &change.effect {
        Effect::Element { add: true, .. } | Effect::Contest { put: Some(AddOrRemove::Add), .. } => {
            present(path.as_bytes())
        }
        Effect::Element { .. } | Effect::Contest { .. } => absent(path.as_bytes()),
        Effect::Register { value: Some(value), .. } => match path.kind() {
            Some(Kind::ListItem | Kind::TreeNode) => Action::Added,
            kind => Action::Wrote(shown(kind, value).into_owned()),
        },
        Effect::Move { .. } => Action::Moved,
        // Nothing is removed, but earlier removals end.
        Effect::Hide { seen, .. } if seen.is_empty() => Action::Added,
        Effect::Count(totals) => Action::Counted(clamped(totals.net())),
        Effect::Correct { put, .. } => {
            Action::Corrected(clamped(put.as_ref().map_or(0, Correction::net)))
        }
        Effect::Rights(totals) => {
            Action::Counted(clamped(i128::from(totals.granted) - i128::from(totals.spent)))
        }
        Effect::Register { value: None, .. }
        | Effect::Hide { .. }
        | Effect::Reset { .. }
        | Effect::Below { .. } => Action::Removed,
    }
}
