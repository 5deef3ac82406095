//! Stores that earlier trees wrote can be opened, and sync with those of today.

use std::io::Read;
use std::path::Path;

use rejoin::prelude::*;
use rejoin::replica::OpenOptions;

use crate::wire::sync;

#[derive(Crdt, Default)]
struct Everything {
    grown: GCounter,
    counted: PnCounter,
    latest: LwwRegister<String>,
    all: MvRegister<String>,
    most: MaxRegister<u64>,
    least: MinRegister<i64>,
    on: EnableWinsFlag,
    off: DisableWinsFlag,
    grow_only: GSet<String>,
    set: OrSet<String>,
    removes_win: RwSet<String>,
    once: TwoPhaseSet<u32>,
    lines: OrMap<String, PnCounter>,
    tasks: List<LwwRegister<String>>,
    folders: Tree<LwwRegister<String>>,
    rest: Doc,
}

/// A copy of a stored store, opened under a new id.
fn open(directory: &Path, name: &str) -> (Store, Space<Everything>) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/fixtures/2026-11/{name}.rejoin.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    let store = OpenOptions::new().state_dir(directory.join("state")).open(path).unwrap();
    let space = store.open_space("fixture").unwrap();
    (store, space)
}

#[test]
fn stores_of_november_2026_open_and_sync() {
    let directory = tempfile::tempdir().unwrap();
    let (_north_store, north) = open(directory.path(), "north");
    let (_south_store, south) = open(directory.path(), "south");
    assert_eq!(
        north.digest().unwrap().to_string(),
        "3a24dce794308a49a86eff2de9ea5baf43334b6e4c8e2ea199558c4b09583341"
    );
    sync(&north, &south);
    for space in [&north, &south] {
        let object = space.object("o");
        assert_eq!(
            space.digest().unwrap().to_string(),
            "55258bb716ca0c3ad26a35923c38deff8d823e0d66403b81f4826a0f7160bcbf"
        );
        assert_eq!(object.lines().at("apples").value().unwrap(), 3);
        assert_eq!(object.lines().at("pears").value().unwrap(), 4);
        assert_eq!(object.latest().get().unwrap().as_deref(), Some("second"));
        assert_eq!(object.counted().value().unwrap(), 5);
        assert_eq!(object.set().items().unwrap(), ["x", "y"]);
        assert_eq!(object.removes_win().items().unwrap(), ["q"]);
        assert_eq!(object.once().items().unwrap(), [2]);
        let tasks = object.tasks();
        let items = tasks.items().unwrap();
        let titles: Vec<_> = items.iter().map(|(_, title)| title.get().unwrap()).collect();
        assert_eq!(titles[..3], ["salt", "flour", "eggs"].map(|title| Some(title.to_owned())));
    }
    // They continue: each one's writes reach the other.
    north.transact(|tx| tx.object("o").counted().add(1)).unwrap();
    south.transact(|tx| tx.object("o").tasks().push()?.set("tea")).unwrap();
    sync(&north, &south);
    assert_eq!(north.digest().unwrap(), south.digest().unwrap());
    assert_eq!(south.object("o").counted().value().unwrap(), 6);
}
