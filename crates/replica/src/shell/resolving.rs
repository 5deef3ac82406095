//! Settling conflicts: a choice is an ordinary transaction over the versions that competed.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use rejoin_crdts::crdt::Schema;
use rejoin_crdts::edit::{Cursor, Stage, View};
use rejoin_crdts::{Action, Atom, Crdt, Dot, EditError, Kind, RawAtom, ReadError};
use rejoin_resolve::{Policy, ResolveError, Sibling, Siblings, policies};

use crate::error::{CannotResolve, StoreError};
use crate::format::conflict::{Conflict, Version};
use crate::shell::space::{Committed, Space};

/// What is to stand at the place of a [`Conflict`].
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    what: What,
    is_over_changes: bool,
    author: Option<String>,
    message: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
enum What {
    Version(Dot),
    Value(RawAtom),
    Policy(Policy),
}

impl Choice {
    /// One of the versions that competed: its value, or what else it did.
    pub const fn version(dot: Dot) -> Self {
        Self::of(What::Version(dot))
    }

    /// A value, which may be a new one.
    pub fn value(value: &impl Atom) -> Self {
        Self::of(What::Value(RawAtom::of(value)))
    }

    /// The answer that a policy makes of the versions that are still there.
    pub const fn policy(policy: Policy) -> Self {
        Self::of(What::Policy(policy))
    }

    const fn of(what: What) -> Self {
        Self { what, is_over_changes: false, author: None, message: None }
    }

    /// Also where somebody has changed the place since, over that.
    #[must_use]
    pub const fn even_if_changed(mut self) -> Self {
        self.is_over_changes = true;
        self
    }

    /// As [`Transaction::author`](crate::Transaction::author).
    #[must_use]
    pub fn author(mut self, name: &str) -> Self {
        self.author = Some(name.to_owned());
        self
    }

    /// As [`Transaction::describe`](crate::Transaction::describe).
    #[must_use]
    pub fn describe(mut self, message: &str) -> Self {
        self.message = Some(message.to_owned());
        self
    }
}

impl<T: Crdt> Space<T> {
    /// Settles a conflict: what is chosen is written over the versions that competed, by an
    /// ordinary transaction, which every replica takes in. Nothing that was written since is
    /// overwritten unless [told](Choice::even_if_changed).
    ///
    /// It settles all records of the place whose versions are seen here: ask for the page again
    /// before the next one.
    ///
    /// Two replicas that settle one conflict alike have settled it once: equal values count as one,
    /// also under [`Policy::Sum`]. The record may be of another replica's log, and may have come as
    /// JSON. (One from before a store had to go on under a new id names former ids: it has to be
    /// settled [even so](Choice::even_if_changed).)
    ///
    /// ```
    /// # use rejoin_crdts::LwwRegister;
    /// # use rejoin_replica::{Choice, Store};
    /// # let (north, south) = (Store::memory()?, Store::memory()?);
    /// # let here = north.create_space::<LwwRegister<String>>("notes")?;
    /// # let there = south.join_space::<LwwRegister<String>>("notes", here.ticket())?;
    /// here.transact(|tx| tx.object("door").set("ring once"))?;
    /// there.transact(|tx| tx.object("door").set("ring twice"))?;
    /// here.link().meet(&there.link())?;
    /// let conflict = here.conflicts().of("door").page(1)?.remove(0);
    ///
    /// let overridden = conflict.overridden[0].dot; // the one that lost
    /// here.resolve(&conflict, &Choice::version(overridden).author("Mira"))?;
    /// assert_eq!(here.object("door").get()?, conflict.overridden[0].action.value().ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::CannotResolve`] with the reason; otherwise as [`transact`](Self::transact).
    pub fn resolve(
        &self,
        conflict: &Conflict,
        choice: &Choice,
    ) -> Result<Committed<()>, StoreError> {
        let mut refused = None;
        let committed = self.transact(|tx| {
            choice.author.iter().try_for_each(|name| tx.author(name))?;
            choice.message.iter().try_for_each(|message| tx.describe(message))?;
            settle(tx.stage(), T::schema(), conflict, choice)?.map_err(|reason| {
                let told = EditError::Aborted(reason.to_string());
                refused = Some(reason);
                told
            })
        });
        match refused {
            Some(reason) => Err(StoreError::CannotResolve(reason)),
            None => committed,
        }
    }
}

type Settled = Result<Result<(), CannotResolve>, EditError>;

fn settle(stage: &mut dyn Stage, objects: Schema, conflict: &Conflict, choice: &Choice) -> Settled {
    let Some(declared) = objects.at(&conflict.path) else {
        return Ok(Err(CannotResolve::WrongType { path: conflict.path.clone() }));
    };
    let mut cursor = Cursor::new(stage, conflict.path.clone());
    if let Some(now) = changed_since(&cursor.view(), conflict)?
        && !choice.is_over_changes
        && !rejoin_vclock::mutant!("resolved-over-what-came-since")
    {
        return Ok(Err(CannotResolve::ChangedSince { now }));
    }
    match chosen(&cursor.view(), conflict, &choice.what)? {
        Ok(Stand::Value(value)) => {
            let accepts = match declared {
                Schema::Atoms(_, accepts) => accepts,
                _ => |_: &RawAtom| true,
            };
            if !accepts(&value) {
                return Ok(Err(CannotResolve::WrongType { path: conflict.path.clone() }));
            }
            cursor.settle_on(value.clone())?;
            stands(&cursor.view(), conflict, |standing| standing == [value])
        }
        Ok(Stand::There) => {
            cursor.put_there()?;
            stands(&cursor.view(), conflict, |standing| !standing.is_empty())
        }
        Ok(Stand::Gone) => {
            cursor.take_away()?;
            stands(&cursor.view(), conflict, <[RawAtom]>::is_empty)
        }
        Err(reason) => Ok(Err(reason)),
    }
}

/// What stands at a place once it is chosen.
enum Stand {
    Value(RawAtom),
    There,
    Gone,
}

/// The events at the place, if others than those of the conflict are among them, or none is left.
fn changed_since(view: &View<'_>, conflict: &Conflict) -> Result<Option<Vec<Dot>>, ReadError> {
    let known: BTreeSet<Dot> =
        conflict.versions().chain(&conflict.settled).map(|version| version.dot).collect();
    let mut now = view.live()?;
    now.sort_unstable();
    let stood =
        |version: &Version| !matches!(version.action, Action::Removed | Action::SwitchedOff);
    let is_emptied = now.is_empty() && conflict.kept.iter().any(stood);
    let is_changed = is_emptied || now.iter().any(|dot| !known.contains(dot));
    Ok(is_changed.then_some(now))
}

fn chosen(
    view: &View<'_>,
    conflict: &Conflict,
    what: &What,
) -> Result<Result<Stand, CannotResolve>, ReadError> {
    let is_register = matches!(
        conflict.path.kind(),
        Some(
            Kind::LwwRegister
                | Kind::MvRegister
                | Kind::MaxRegister
                | Kind::MinRegister
                | Kind::Siblings
        )
    );
    let no_choice = || CannotResolve::NoChoice { rule: conflict.rule };
    Ok(match what {
        What::Version(dot) => match conflict.versions().find(|version| version.dot == *dot) {
            None => Err(CannotResolve::NoSuchVersion { dot: *dot }),
            Some(version) if version.is_elsewhere => Err(CannotResolve::ValueGone { dot: *dot }),
            Some(version) => match &version.action {
                Action::Wrote(value) => Ok(Stand::Value(value.clone())),
                Action::Added | Action::SwitchedOn => Ok(Stand::There),
                Action::Removed | Action::SwitchedOff => Ok(Stand::Gone),
                _ => Err(no_choice()),
            },
        },
        What::Value(value) if is_register => Ok(Stand::Value(value.clone())),
        What::Policy(policy) if is_register => answer(view, policy)?,
        What::Value(_) | What::Policy(_) => Err(no_choice()),
    })
}

/// The one value that a policy makes of the writes at a place.
fn answer(view: &View<'_>, policy: &Policy) -> Result<Result<Stand, CannotResolve>, ReadError> {
    let siblings: Vec<Sibling> = match view.path().kind() {
        Some(Kind::Siblings) => {
            Siblings::<RawAtom>::reader(View::new(view.source(), view.path().clone())).all()?
        }
        _ => {
            let writes = view.writes()?.into_iter();
            writes.map(|(dot, stamp, value)| Sibling::new(value, dot, stamp)).collect()
        }
    };
    let resolution = match policies::by(view.source(), policy, &siblings) {
        Ok(resolution) => resolution,
        Err(ResolveError::Read(error)) => return Err(error),
        Err(ResolveError::Missing(missing)) => return Ok(Err(CannotResolve::Missing(missing))),
        Err(_) => return Ok(Err(CannotResolve::Undecided)),
    };
    let value = resolution.value().cloned();
    Ok(value.map(Stand::Value).ok_or(CannotResolve::Undecided))
}

/// Looks if what was chosen stands: some rules let nothing stand over what they decided.
fn stands(view: &View<'_>, conflict: &Conflict, is_so: impl FnOnce(&[RawAtom]) -> bool) -> Settled {
    let refused = CannotResolve::NoChoice { rule: conflict.rule };
    Ok(if is_so(&view.standing()?) { Ok(()) } else { Err(refused) })
}
