//! The engines that stores are built on, and what they all need at least: a file that is appended
//! to and synced.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase, TableDefinition};
use rusqlite::{Connection, OptionalExtension};

use crate::peer::{Bench, Peer, Role};
use crate::peers::stored::{self, Engine};
use crate::work::Work;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A peer that is an engine and no more.
macro_rules! engines {
    ($($peer:ident: $name:literal, $package:literal, $role:expr, $engine:ty;)*) => {$(
        pub(crate) struct $peer;

        impl Peer for $peer {
            fn name(&self) -> &'static str {
                $name
            }

            fn package(&self) -> &'static str {
                $package
            }

            fn role(&self) -> Role {
                $role
            }

            fn prepare(&self, work: Work) -> Option<Bench> {
                stored::prepare::<$engine>(work)
            }
        }
    )*};
}

engines! {
    Redb: "redb", "redb", Role::Peer, redb::Database;
    Fjall: "fjall", "fjall", Role::Peer, (Database, Keyspace);
    Sqlite: "sqlite", "rusqlite", Role::Peer, Mutex<Connection>;
    Append: "append", "", Role::Limit, Mutex<Appended>;
}

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");

/// With its default: durable when the commit returns.
impl Engine for redb::Database {
    fn open(directory: &Path) -> Self {
        Self::create(directory.join("objects.redb")).expect("a file")
    }

    fn put(&self, keys: &[String], value: &[u8]) {
        let transaction = self.begin_write().expect("a transaction");
        {
            let mut table = transaction.open_table(TABLE).expect("a table");
            for key in keys {
                table.insert(key.as_str(), value).expect("room");
            }
        }
        transaction.commit().expect("room");
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let transaction = self.begin_read().expect("a transaction");
        let table = transaction.open_table(TABLE).expect("a table");
        table.get(key).expect("a readable file").map(|value| value.value().to_vec())
    }
}

/// Each batch is synced.
impl Engine for (Database, Keyspace) {
    fn open(directory: &Path) -> Self {
        let database = Database::builder(directory).open().expect("a directory");
        let objects = database.keyspace("objects", KeyspaceCreateOptions::default);
        (database, objects.expect("a keyspace"))
    }

    fn put(&self, keys: &[String], value: &[u8]) {
        let mut batch = self.0.batch().durability(Some(PersistMode::SyncData));
        keys.iter().for_each(|key| batch.insert(&self.1, key.as_str(), value));
        batch.commit().expect("room");
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.1.get(key).expect("a readable directory").map(|value| value.to_vec())
    }
}

/// A log that is written ahead, synced with each transaction.
impl Engine for Mutex<Connection> {
    fn open(directory: &Path) -> Self {
        let connection = Connection::open(directory.join("objects.sqlite")).expect("a file");
        let made = connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS \
             objects (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
        );
        made.expect("a database");
        Self::new(connection)
    }

    fn put(&self, keys: &[String], value: &[u8]) {
        let mut connection = held(self);
        let transaction = connection.transaction().expect("a transaction");
        {
            let statement =
                "INSERT INTO objects VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
            let mut put = transaction.prepare_cached(statement).expect("a statement");
            for key in keys {
                put.execute((key, value)).expect("room");
            }
        }
        transaction.commit().expect("room");
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let connection = held(self);
        let statement = connection.prepare_cached("SELECT value FROM objects WHERE key = ?1");
        let found = statement.expect("a statement").query_row([key], |row| row.get(0)).optional();
        found.expect("a readable file")
    }
}

/// A file that is only appended to, and a table in memory of what is in it.
pub(crate) struct Appended {
    file: File,
    objects: HashMap<String, Vec<u8>>,
}

impl Engine for Mutex<Appended> {
    fn open(directory: &Path) -> Self {
        let path = directory.join("objects.log");
        let (log, mut objects) = (std::fs::read(&path).unwrap_or_default(), HashMap::new());
        let mut rest = log.as_slice();
        while let [key, value, left @ ..] = rest {
            let (key, left) = left.split_at(usize::from(*key));
            let (value, left) = left.split_at(usize::from(*value));
            objects.insert(String::from_utf8_lossy(key).into_owned(), value.to_vec());
            rest = left;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
        Self::new(Appended { file, objects })
    }

    fn put(&self, keys: &[String], value: &[u8]) {
        let Appended { file, objects } = &mut *held(self);
        let mut bytes = Vec::new();
        for key in keys {
            bytes.extend([key.len() as u8, value.len() as u8]);
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(value);
            objects.insert(key.clone(), value.to_vec());
        }
        file.write_all(&bytes).expect("room");
        file.sync_data().expect("a disk");
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        held(self).objects.get(key).cloned()
    }
}
