//! Rejoin's own store: a file of objects.

use std::path::Path;

use rejoin_crdts::LwwRegister;
use rejoin_replica::{Space, Store};

use crate::peers::stored::Engine;

/// A store file, and the space of its objects.
pub(crate) struct Objects {
    store: Store,
    space: Space<LwwRegister<Vec<u8>>>,
}

impl Engine for Objects {
    fn open(directory: &Path) -> Self {
        let path = directory.join("objects.rejoin");
        let is_new = !path.exists();
        let store = Store::open(path).expect("a file");
        let space = match is_new {
            true => store.create_space("objects"),
            false => store.open_space("objects"),
        };
        Self { store, space: space.expect("a space") }
    }

    fn put(&self, keys: &[String], value: &[u8]) {
        let put =
            self.space.transact(|tx| keys.iter().try_for_each(|key| tx.object(key).set(value)));
        assert!(put.expect("room").is_durable());
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.space.object(key).get().expect("a readable file")
    }

    fn close(self) {
        self.store.close().expect("room");
    }
}
