//! Operations on lists and trees: users add, move, rename and remove, by either removal rule.

use rejoin_crdts::EditError;
use rejoin_crdts::ordered::{NodeId, Parent};

use super::load::{Edited, Editor};
use super::objects::{Folders, Steps};
use crate::rng::Rng;

/// One operation on an item or node, which is chosen by index among those that exist at the time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Arrangement {
    Add { at: usize, title: String },
    Move { which: usize, to: usize },
    Rename { which: usize, title: String },
    Remove { which: usize, unless_edited: bool },
}

impl Arrangement {
    pub(super) fn some(rng: &mut Rng) -> Self {
        let (which, to) = (rng.index(8), rng.index(8));
        let title = format!("title {:04x}", rng.below(1 << 16));
        match rng.below(10) {
            0..4 => Self::Add { at: to, title },
            4..6 => Self::Move { which, to },
            6..8 => Self::Rename { which, title },
            _ => Self::Remove { which, unless_edited: rng.percent(50) },
        }
    }

    /// Arranges a list. Of two items one is named by its index, and one by its id.
    pub(super) fn order(&self, mut steps: Editor<'_, Steps>) -> Edited {
        let len = steps.len()?;
        let which = match self {
            Self::Add { at, title } => return steps.insert(at % (len + 1))?.set(title.as_str()),
            Self::Move { which, .. } | Self::Rename { which, .. } | Self::Remove { which, .. } => {
                which
            }
        };
        if len == 0 {
            return Ok(());
        }
        let (at, id) = (which % len, steps.id_at(which % len)?);
        match (self, which % 2 == 0) {
            (Self::Move { to, .. }, true) => steps.move_to(at, to % len),
            (Self::Move { to, .. }, false) => steps.move_item(id, to % len),
            (Self::Rename { title, .. }, true) => steps.at(at)?.set(title.as_str()),
            (Self::Rename { title, .. }, false) => steps.item(id)?.set(title.as_str()),
            (Self::Remove { unless_edited: true, .. }, true) => steps.remove_unless_edited(at),
            (Self::Remove { unless_edited: true, .. }, false) => {
                steps.remove_item_unless_edited(id)
            }
            (_, true) => steps.remove(at),
            (_, false) => steps.remove_item(id),
        }
    }

    pub(super) fn hang(&self, mut folders: Editor<'_, Folders>) -> Edited {
        let there: Vec<NodeId> = folders.outline()?.iter().map(|(id, _)| id).collect();
        let node = |which: &usize| there.get(which % there.len().max(1)).copied();
        let parent = |to: &usize| {
            let place = to % (there.len() + 1);
            there.get(place).map_or(Parent::Root, |&id| Parent::Node(id))
        };
        match self {
            Self::Add { at, title } => {
                let id = folders.create(parent(at))?;
                folders.node(id)?.set(title.as_str())
            }
            Self::Move { which, to } => {
                let Some(id) = node(which) else { return Ok(()) };
                match folders.move_to(id, parent(to)) {
                    Err(EditError::BelowItself { .. }) => Ok(()),
                    done => done,
                }
            }
            Self::Rename { which, title } => {
                node(which).map_or(Ok(()), |id| folders.node(id)?.set(title.as_str()))
            }
            Self::Remove { which, unless_edited } => match (node(which), unless_edited) {
                (None, _) => Ok(()),
                (Some(id), true) => folders.remove_unless_edited(id),
                (Some(id), false) => folders.remove(id),
            },
        }
    }
}
