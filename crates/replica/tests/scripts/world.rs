//! The stores of a script, what connects them, and what was kept under a name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin_crdts::ReplicaId;
use rejoin_replica::{Receipt, StoreError};

use crate::command;
use crate::disk::Disk;
use crate::edits::Nodes;
use crate::shown::Names;
use crate::site::Site;
use crate::wire::Wire;

/// The lines of a command; the error is the script's.
pub(crate) type Output = Result<Vec<String>, String>;

/// All that a script has made.
#[derive(Default)]
pub(crate) struct World {
    /// In the order in which they were made.
    pub(crate) sites: Vec<Site>,
    pub(crate) images: BTreeMap<String, Arc<Disk>>,
    pub(crate) receipts: BTreeMap<String, Receipt>,
    pub(crate) nodes: Nodes,
    pub(crate) names: Names,
    pub(crate) elapsed: Arc<AtomicU64>,
    wires: Vec<Wire>,
}

impl World {
    /// Runs one line, and tells of ids that changed.
    pub(crate) fn run(&mut self, line: &str) -> Output {
        // Every write has a time of its own.
        self.elapsed.fetch_add(10, Ordering::Relaxed);
        let mut said = command::run(self, line)?;
        said.extend(self.new_ids());
        Ok(said.iter().map(|line| self.names.shorten(line)).collect())
    }

    /// Returns a line for each store that has another id than before, or a former one more.
    fn new_ids(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for site in &mut self.sites {
            let Some((before, id)) = site.ids() else { continue };
            before.iter().chain(&id).for_each(|&id| self.names.add(id));
            if site.told == (before.clone(), id) {
                continue;
            }
            let formers = before.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let was = if before.is_empty() { "" } else { ", and was " };
            let id_now = id.map_or_else(|| "nobody yet".to_owned(), |id| id.to_string());
            said.push(format!("{} is {id_now}{was}{formers}", site.name));
            site.told = (before, id);
        }
        said
    }

    pub(crate) fn site(&self, name: &str) -> Result<&Site, String> {
        let site = self.sites.iter().find(|site| site.name == name);
        site.ok_or_else(|| format!("no store is called {name}"))
    }

    pub(crate) fn site_mut(&mut self, name: &str) -> Result<&mut Site, String> {
        let site = self.sites.iter_mut().find(|site| site.name == name);
        site.ok_or_else(|| format!("no store is called {name}"))
    }

    /// Returns the ids of the stores by their names.
    pub(crate) fn ids(&self) -> BTreeMap<String, ReplicaId> {
        let id = |site: &Site| Some((site.name.clone(), site.store.as_ref()?.replica_id()?));
        self.sites.iter().filter_map(id).collect()
    }

    /// Connects the spaces of a name of two stores.
    pub(crate) fn connect(&mut self, a: &str, b: &str) -> Output {
        let link = |name| {
            let (name, space) = command::store_and_space(name);
            Ok::<_, String>((name, self.site(name)?.space(space)?.link()))
        };
        match Wire::between(link(a)?, link(b)?) {
            Ok(wire) => {
                self.wires.push(wire);
                Ok(Vec::new())
            }
            Err(error) => Ok(refused(&error)),
        }
    }

    pub(crate) fn disconnect(&mut self, a: &str, b: &str) {
        let [a, b] = [a, b].map(|name| command::store_and_space(name).0);
        self.wires.retain(|wire| !(wire.joins(a) && wire.joins(b)));
    }

    pub(crate) fn disconnect_all(&mut self, name: &str) {
        self.wires.retain(|wire| !wire.joins(name));
    }

    /// Lets time pass, with everything that is sent meanwhile.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        let mut said = Vec::new();
        for _ in 0..millis.div_ceil(100) {
            self.settle(&mut said);
            self.elapsed.fetch_add(100, Ordering::Relaxed);
            self.wires.iter_mut().for_each(|wire| wire.tick(&mut said));
        }
        self.settle(&mut said);
        said
    }

    /// Moves frames until nothing moves anywhere.
    fn settle(&mut self, said: &mut Vec<String>) {
        while self.wires.iter_mut().any(|wire| wire.settle(said)) {}
    }

    /// Connects two stores for some time.
    pub(crate) fn meet(&mut self, a: &str, b: &str) -> Output {
        let mut said = self.connect(a, b)?;
        if said.is_empty() {
            said = self.wait(2_000);
            self.disconnect(a, b);
        }
        Ok(said)
    }
}

/// Shows an error of the library.
pub(crate) fn refused(error: &StoreError) -> Vec<String> {
    vec![format!("refused: {error}")]
}
