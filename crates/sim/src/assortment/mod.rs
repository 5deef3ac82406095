//! The built-in application: objects of most types, and checkers that know them from the
//! documentation alone.

mod answers;
mod arranged;
mod content;
mod load;
mod model;
mod objects;
mod removed;
mod rules;

use std::fmt;

use rejoin_crdts::EditError;
use rejoin_resolve::Customs;
use rejoin_vclock::ReplicaId;

use self::answers::Answers;
use self::load::Operation;
use self::removed::Removed;
use super::application::{Application, Snapshot, Transaction};
use super::rng::Rng;
use super::violation::{Broken, Checked};

/// One look in this many checks the whole model, which is expensive; the others check removals
/// only.
const FULL_LOOKS: u64 = 6;

/// Counters, registers, flags, sets, maps, lists and trees, nested and not, stock that is never
/// oversold, and siblings, with policies that users change.
#[derive(Clone, Default, Debug)]
pub struct Assortment {
    removed: Removed,
    answers: Answers,
    looks: u64,
}

/// The operations that a user of the [`Assortment`] asks for in one transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct Wishes(Vec<Operation>);

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Application for Assortment {
    type Request = Wishes;

    const REPLAY: Option<&'static str> = Some("cargo xtask sim");

    fn request(&self, rng: &mut Rng) -> Wishes {
        Wishes(load::transaction(rng))
    }

    fn apply(&self, request: &Wishes, transaction: &mut Transaction<'_>) -> Result<(), EditError> {
        request.0.iter().try_for_each(|operation| operation.apply(transaction))
    }

    fn refused(&self, request: &Wishes, error: &EditError) -> Checked {
        match error {
            EditError::NotEnoughRights { .. } if request.0.iter().any(Operation::spends) => Ok(()),
            _ => Err(Broken::new("values", format!("{request:?} is refused: {error}"))),
        }
    }

    fn check(&mut self, snapshot: &Snapshot<'_, Wishes>) -> Checked {
        self.looks += 1;
        if self.looks.is_multiple_of(FULL_LOOKS) {
            return self.check_end(snapshot);
        }
        let shown = shown(snapshot)?;
        self.removed.check(snapshot, &shown)?;
        self.answers.check(snapshot, &shown)
    }

    fn check_end(&mut self, snapshot: &Snapshot<'_, Wishes>) -> Checked {
        let shown = shown(snapshot)?;
        self.removed.check(snapshot, &shown)?;
        self.answers.check(snapshot, &shown)?;
        model::check(snapshot, &shown)?;
        model::check_escrow(snapshot)
    }

    fn register(&self, site: usize, customs: &mut Customs) {
        rules::register(site, customs);
    }

    fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.answers.forget(origin, after);
    }
}

fn shown(snapshot: &Snapshot<'_, Wishes>) -> Result<objects::Shown, Broken> {
    objects::read_all(snapshot).map_err(|error| {
        Broken::new("values", format!("{:?} cannot be read: {error}", snapshot.replica()))
    })
}
