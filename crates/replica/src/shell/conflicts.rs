//! The conflict log, asked by place, time, peer, rule and policy.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::{Bound, RangeBounds};

use rejoin_crdts::{Crdt, Edit, Path, Rule};
use rejoin_resolve::Policy;
use rejoin_vclock::ReplicaId;

use crate::core::conflicts::search::Filter;
use crate::error::StoreError;
use crate::format::conflict::{Conflict, Origin, Strategy, Version};
use crate::shell::shared::{Inner, Shared};
use crate::shell::space::Space;

/// A question to the conflict log of a space. See [`Space::conflicts`].
#[derive(Clone, Debug)]
pub struct Conflicts<'a, T: Crdt> {
    space: &'a Space<T>,
    filter: Filter,
    after: Option<Conflict>,
}

impl<T: Crdt> Space<T> {
    /// Asks what merges decided here: of two concurrent changes of which one does not hold, or
    /// which were brought together, whoever applies both gets a record, both authors among them.
    ///
    /// The records are this store's own, and no part of what replicas compare. They are stored with
    /// the entries that caused them, and are there after a restart. There are at most
    /// [`Config::conflicts`](crate::Config::conflicts) of them, the latest ones. The cost of a page
    /// follows what is on it, and not the length of the log, whatever is asked for; only a place
    /// deep in an object costs a look at the object's other records.
    ///
    /// ```
    /// # use rejoin_crdts::LwwRegister;
    /// # use rejoin_replica::Store;
    /// # let (north, south) = (Store::memory()?, Store::memory()?);
    /// let here = north.create_space::<LwwRegister<String>>("notes")?;
    /// let there = south.join_space::<LwwRegister<String>>("notes", here.ticket())?;
    /// here.transact(|tx| tx.object("door").set("ring once"))?;
    /// there.transact(|tx| {
    ///     tx.author("Mira")?;
    ///     tx.object("door").set("ring twice")
    /// })?;
    /// here.link().meet(&there.link())?;
    ///
    /// let [conflict] = &here.conflicts().of("door").open().page(20)?[..] else { panic!() };
    /// let stands = here.object("door").get()?.expect("a note");
    /// assert_eq!(conflict.kept[0].action.value::<String>()?, stands);
    /// assert_ne!(conflict.overridden[0].action.value::<String>()?, stands);
    ///
    /// there.transact(|tx| tx.object("door").set("knock"))?; // having seen both
    /// here.link().meet(&there.link())?;
    /// let settled = here.conflicts().of("door").page(20)?.remove(0).settled.expect("settled");
    /// assert_eq!(settled.action.value::<String>()?, "knock");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn conflicts(&self) -> Conflicts<'_, T> {
        Conflicts { space: self, filter: Filter::default(), after: None }
    }
}

impl<T: Crdt> Conflicts<'_, T> {
    /// Those of an object.
    #[must_use]
    pub fn of(self, key: &str) -> Self {
        self.under(&Path::object(key, T::KIND))
    }

    /// Those at a place, and below it.
    #[must_use]
    pub fn under(mut self, place: &Path) -> Self {
        self.filter.under = Some(place.as_bytes().to_vec());
        self
    }

    /// Those that were found in a time, in milliseconds since 1970 by this store's clock.
    #[must_use]
    pub fn found_in(mut self, time: impl RangeBounds<u64>) -> Self {
        self.filter.from = match time.start_bound() {
            Bound::Included(from) => Some(*from),
            Bound::Excluded(before) => Some(before.saturating_add(1)),
            Bound::Unbounded => None,
        };
        self.filter.to = match time.end_bound() {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(to) => Some(*to),
            Bound::Unbounded => None,
        };
        self
    }

    /// Those in which a replica made one of the versions.
    #[must_use]
    pub const fn with(mut self, peer: ReplicaId) -> Self {
        self.filter.peer = Some(peer);
        self
    }

    /// Those that a rule decided.
    #[must_use]
    pub const fn by_rule(mut self, rule: Rule) -> Self {
        self.filter.rule = Some(rule);
        self
    }

    /// Those of siblings that a policy decided.
    #[must_use]
    pub fn by_policy(mut self, policy: &Policy) -> Self {
        self.filter.policy = Some(policy.clone());
        self
    }

    /// Those that were decided in some way.
    #[must_use]
    pub const fn by_strategy(mut self, strategy: Strategy) -> Self {
        self.filter.strategy = Some(strategy);
        self
    }

    /// Those whose place nobody has changed since who had seen all versions. Counts that all count
    /// are among them until somebody who has seen them counts on; and one stays open where another
    /// store settled its own record without having seen all versions of this one, until somebody
    /// writes there, or chooses [even so](crate::Choice::even_if_changed).
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.filter.is_open = Some(true);
        self
    }

    /// Those that somebody settled who had seen all versions.
    #[must_use]
    pub const fn settled(mut self) -> Self {
        self.filter.is_open = Some(false);
        self
    }

    /// In the order in which they were found; without it, the latest come first.
    #[must_use]
    pub const fn oldest_first(mut self) -> Self {
        self.filter.is_oldest_first = true;
        self
    }

    /// Behind one of an earlier page.
    #[must_use]
    pub fn after(mut self, last: &Conflict) -> Self {
        self.after = Some(last.clone());
        self
    }

    /// At most `most` records. First it waits until all that was written is durable.
    ///
    /// # Errors
    /// [`StoreError::OtherConflictLog`] when the page is to begin behind a record that another log
    /// made; [`StoreError`] when the space cannot be read.
    pub fn page(&self, most: usize) -> Result<Vec<Conflict>, StoreError> {
        let mut inner = self.space.shared.lock_to_look()?;
        let log = &mut inner.driver.core.conflicts;
        let range = log.range()?;
        if let Some(after) = self.after.as_ref().filter(|after| after.number >= range.start) {
            let same = log.conflict(after.number)?.filter(|same| same.is_same(after));
            same.ok_or(StoreError::OtherConflictLog)?;
        }
        let mut search = log.search(&self.filter, self.after.as_ref().map(|after| after.number))?;
        let mut page = Vec::new();
        while page.len() < most
            && let Some(conflict) = search.next()?
        {
            page.push(conflict);
        }
        page.iter_mut().try_for_each(|conflict| self.space.shared.trace(&inner, conflict))?;
        Ok(page)
    }

    /// The number of records that had to go, because there were too many, or too long ones.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn forgotten(&self) -> Result<u64, StoreError> {
        Ok(self.space.shared.lock()?.driver.core.conflicts.range()?.start)
    }
}

impl Shared {
    /// Adds to a record what the log says of the transactions in it.
    fn trace(&self, inner: &Inner, conflict: &mut Conflict) -> Result<(), StoreError> {
        let versions = conflict.kept.iter_mut().chain(&mut conflict.overridden);
        for version in versions.chain(&mut conflict.settled) {
            let Some(entry) = self.entry_of(inner, version.dot)? else { continue };
            let (delta, label) = (entry.delta(), entry.label());
            if version.is_elsewhere {
                let operation = entry.operation(version.dot.counter());
                if let Some(edit) = operation.and_then(Edit::of_change) {
                    *version =
                        Version { action: edit.action, is_elsewhere: false, ..version.clone() };
                }
            }
            let deps = delta.deps().into_iter().collect();
            let (author, message) = (label.author, label.message);
            version.origin = Some(Origin { stamp: delta.stamp(), author, message, deps });
        }
        Ok(())
    }
}
