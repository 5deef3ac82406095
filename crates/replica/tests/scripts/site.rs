//! A store of a script: its disk, its clock, and the handles that are open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rejoin_crdts::{BoundedCounter, Doc, ReplicaId};
use rejoin_replica::{Config, Now, OpenOptions, Space, Store, StoreError, Time, Watch};

use crate::disk::Disk;

/// The time that all stores of a script share, and the error of one's own wall clock.
#[derive(Clone, Default, Debug)]
pub(crate) struct Clock {
    pub(crate) elapsed: Arc<AtomicU64>,
    pub(crate) error: Arc<AtomicI64>,
}

impl Time for Clock {
    fn now(&self) -> Now {
        let elapsed = self.elapsed.load(Ordering::Relaxed);
        let right = 1_800_000_000_000 + elapsed;
        Now { wall: right.saturating_add_signed(self.error.load(Ordering::Relaxed)), elapsed }
    }
}

/// A store of a script.
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) disk: Arc<Disk>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) store: Option<Store>,
    pub(crate) spaces: BTreeMap<String, Space<Doc>>,
    pub(crate) watches: BTreeMap<String, Watch>,
    /// The ids that were told of it: former ones, then the one that it has.
    pub(crate) told: (Vec<ReplicaId>, Option<ReplicaId>),
}

impl Site {
    pub(crate) fn new(name: &str, disk: Arc<Disk>, elapsed: &Arc<AtomicU64>) -> Self {
        Self {
            name: name.to_owned(),
            disk,
            clock: Clock { elapsed: Arc::clone(elapsed), ..Clock::default() },
            config: Config::default(),
            store: None,
            spaces: BTreeMap::new(),
            watches: BTreeMap::new(),
            told: (Vec::new(), None),
        }
    }

    /// Opens the store and all of its spaces; as a copy: its place is not proved.
    pub(crate) fn open(&mut self, is_copy: bool) -> Result<(), StoreError> {
        let options = OpenOptions::new().config(self.config).time(Arc::new(self.clock.clone()));
        let options = if is_copy { options.unproven() } else { options };
        let store = options.over(self.disk.clone())?;
        for name in store.spaces()? {
            self.spaces.insert(name.clone(), store.open_space(&name)?);
        }
        self.store = Some(store);
        Ok(())
    }

    /// Drops all handles, as the end of the process does; what is on the disk at this moment stays.
    pub(crate) fn kill(&mut self) {
        let disk = self.disk.copy();
        self.disk = disk;
        self.watches.clear();
        self.spaces.clear();
        self.store = None;
    }

    pub(crate) fn store(&self) -> Result<&Store, String> {
        self.store.as_ref().ok_or_else(|| format!("{} is not open", self.name))
    }

    pub(crate) fn space(&self, name: &str) -> Result<&Space<Doc>, String> {
        self.spaces.get(name).ok_or_else(|| format!("{} has no open space {name}", self.name))
    }

    /// Returns the same space as one of seats.
    pub(crate) fn seats(&self, name: &str) -> Result<Space<BoundedCounter>, String> {
        self.store()?.open_space(name).map_err(|error| error.to_string())
    }

    /// Returns the ids of this store as they are now.
    pub(crate) fn ids(&self) -> Option<(Vec<ReplicaId>, Option<ReplicaId>)> {
        self.store.as_ref().map(|store| (store.predecessors(), store.replica_id()))
    }
}
