//! A store with known content: the writes follow from a seed, and reads are compared with them.

use std::collections::BTreeMap;
use std::path::Path;

use rejoin::prelude::*;

type Carts = Space<OrMap<String, PnCounter>>;
type Notes = Space<LwwRegister<String>>;
type Tags = Space<OrSet<String>>;

/// The content that a store must have.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Content {
    carts: BTreeMap<String, BTreeMap<String, i64>>,
    notes: BTreeMap<String, String>,
    tags: BTreeMap<String, Vec<String>>,
}

/// The spaces of a store.
pub(super) struct Spaces {
    carts: Carts,
    notes: Notes,
    tags: Tags,
}

impl Spaces {
    fn create(store: &Store) -> Result<Self, StoreError> {
        let (carts, notes) = (store.create_space("carts")?, store.create_space("notes")?);
        Ok(Self { carts, notes, tags: store.create_space("tags")? })
    }

    pub(super) fn open(store: &Store) -> Result<Self, StoreError> {
        let (carts, notes) = (store.open_space("carts")?, store.open_space("notes")?);
        Ok(Self { carts, notes, tags: store.open_space("tags")? })
    }

    /// Runs one transaction in each space.
    pub(super) fn write(&self, number: u64, content: &mut Content) -> Result<(), StoreError> {
        let (object, line) = (format!("object {}", number % 7), format!("line {}", number % 11));
        let amount = i64::try_from(number % 1000).unwrap_or_default() - 300;
        self.carts.transact(|tx| tx.object(&object).entry(&line).add(amount))?;
        *content.carts.entry(object.clone()).or_default().entry(line.clone()).or_default() +=
            amount;
        let text =
            format!("note {number} ").repeat(usize::try_from(number % 40).unwrap_or_default());
        self.notes.transact(|tx| tx.object(&object).set(text.clone()))?;
        content.notes.insert(object.clone(), text);
        let tags = content.tags.entry(object.clone()).or_default();
        self.tags.transact(|tx| match tags.contains(&line) {
            true => tx.object(&object).remove(&line).map(|_| ()),
            false => tx.object(&object).insert(&line).map(|_| ()),
        })?;
        match tags.iter().position(|tag| *tag == line) {
            Some(at) => drop(tags.remove(at)),
            None => tags.push(line),
        }
        tags.sort();
        Ok(())
    }

    /// Reads everything.
    pub(super) fn read(&self) -> Result<Content, StoreError> {
        let mut content = Content::default();
        for object in self.carts.keys()? {
            let reader = self.carts.object(&object);
            let mut lines = BTreeMap::new();
            for line in reader.keys()? {
                lines.insert(line.clone(), reader.at(&line).value()?);
            }
            content.carts.insert(object, lines);
        }
        for object in self.notes.keys()? {
            let text = self.notes.object(&object).get()?.unwrap_or_default();
            content.notes.insert(object, text);
        }
        for object in self.tags.keys()? {
            content.tags.insert(object.clone(), self.tags.object(&object).items()?);
        }
        Ok(content)
    }
}

/// Returns the bytes of a closed file and of one whose process was killed, with the same content.
pub(super) fn files(directory: &Path, seed: u64) -> Result<[Vec<u8>; 2], StoreError> {
    let path = directory.join("made.rejoin");
    let store = Store::open(&path)?;
    let (spaces, _) = written(&store, seed)?;
    let read = || std::fs::read(&path).unwrap_or_default();
    let killed = read();
    drop((spaces, store));
    Ok([read(), killed])
}

/// Returns the content of the files of a seed.
pub(super) fn content(seed: u64) -> Result<Content, StoreError> {
    let store = Store::memory()?;
    let (spaces, content) = written(&store, seed)?;
    Ok(spaces.read()?.also(&content))
}

/// Writes what belongs to a seed into a new store.
fn written(store: &Store, seed: u64) -> Result<(Spaces, Content), StoreError> {
    let (spaces, mut content) = (Spaces::create(store)?, Content::default());
    numbers(seed).try_for_each(|number| spaces.write(number, &mut content))?;
    Ok((spaces, content))
}

impl Content {
    /// Checks that the notes that were read are those that were written.
    fn also(self, written: &Self) -> Self {
        assert!(self.notes == written.notes, "the store reads what was written");
        self
    }
}

fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    (0..60).map(move |n| n * 7 + seed % 1000 * 13 + (n * n * seed) % 17)
}
