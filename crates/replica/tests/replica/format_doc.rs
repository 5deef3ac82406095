//! docs/format.md: each example in it is read by the code that reads such bytes, and written again.

use std::collections::BTreeSet;

use rejoin_crdts::path::Atom;
use rejoin_crdts::state::{decode_state, encode_state, load, save};
use rejoin_crdts::{Delta, Kind, Path, RawAtom};
use rejoin_replica::Ticket;
use rejoin_replica::entry::{Entry, Record};
use rejoin_replica::message::{Direction, Frames};
use rejoin_vclock::codec::{Decode, Encode, Reader};
use rejoin_vclock::{Dot, DotSet, DottedVersionVector, HybridTimestamp, VersionVector};

const DOCUMENT: &str = include_str!("../../../../docs/format.md");

type Again = fn(&[u8]) -> Vec<u8>;

/// The examples that public code reads, and what reads one and writes it again.
const HERE: &[(&str, Again)] = &[
    ("number", codec::<u64>),
    ("stamp", codec::<HybridTimestamp>),
    ("dot", codec::<Dot>),
    ("vector", codec::<VersionVector>),
    ("dot-set", codec::<DotSet>),
    ("siblings", codec::<DottedVersionVector<u64>>),
    ("atom", atom),
    ("path", path),
    ("delta", |bytes| Delta::from_bytes(bytes).expect("a delta").bytes().to_vec()),
    ("delta-with-corrections", |bytes| Delta::from_bytes(bytes).expect("a delta").to_bytes()),
    ("entry", |bytes| Entry::parse(bytes).expect("an entry").bytes().to_vec()),
    ("state", state),
    ("state-of-other-cells", state),
    ("state-with-corrections", state),
    ("saved", saved),
    ("record", |bytes| Record::decode(bytes).expect("a record").encode()),
    ("record-with-section", |bytes| Record::decode(bytes).expect("a record").encode()),
    ("ticket", ticket),
    ("space-hash", |_| ticket_of(&example("ticket")).hash().0.to_vec()),
    ("hello", frames),
    ("entries", frames),
    ("have", frames),
    ("want", frames),
    ("refuse", frames),
    ("agreement", frames),
];

/// The examples that only private code reads, and the source whose unit tests do.
const ELSEWHERE: &[(&str, &[&str])] = &[
    (include_str!("../../src/format/entry.rs"), &["hole"]),
    (include_str!("../../src/format/section.rs"), &["section"]),
    (include_str!("../../src/shell/identity.rs"), &["store"]),
    (include_str!("../../src/format/space.rs"), &["space"]),
    (include_str!("../../src/shell/clearing.rs"), &["gone"]),
    (include_str!("../../src/shell/removal.rs"), &["left"]),
    (include_str!("../../src/ops/copied.rs"), &["copy"]),
    (include_str!("../../src/shell/forks.rs"), &["choices", "branch"]),
    (include_str!("../../src/state/note.rs"), &["note", "note-once", "distrusted"]),
    (include_str!("../../src/log/mod.rs"), &["index", "origins"]),
    (include_str!("../../src/state/block.rs"), &["block", "index-block"]),
    (include_str!("../../src/state/manifest.rs"), &["manifest"]),
    (include_str!("../../src/state/index.rs"), &["indexes", "row-indexes"]),
    (include_str!("../../src/state/table.rs"), &["receipt"]),
    (include_str!("../../src/state/fingerprints.rs"), &["range"]),
    (
        include_str!("../../src/format/row.rs"),
        &[
            "row-manifest",
            "row-block",
            "row-index",
            "row-origins",
            "row-quarantined",
            "row-damaged",
            "row-noted-once",
            "row-noted",
            "row-distrusted",
            "row-conflict",
            "row-conflict-term",
        ],
    ),
    (include_str!("../../src/format/conflict.rs"), &["conflict", "conflict-settled"]),
    (
        include_str!("../../src/format/conflict_segment.rs"),
        &["conflict-segment", "conflict-opens", "conflict-term"],
    ),
    (include_str!("../../src/shell/witness.rs"), &["witness"]),
    (include_str!("../../../storage/src/redb/checksummed_file.rs"), &["checksums", "acknowledged"]),
    (
        include_str!("../../../storage/src/fjall_directory.rs"),
        &["fjall-acknowledged", "fjall-name", "fjall-key"],
    ),
    (
        include_str!("../../../node/src/mux/tests.rs"),
        &["preface", "open", "data", "alive", "close", "leave", "credit"],
    ),
];

/// The examples of the document, in its order.
fn examples() -> Vec<(&'static str, Vec<u8>)> {
    let mut lines = DOCUMENT.lines();
    let mut examples = Vec::new();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex") else { continue };
        let digits: String = lines.by_ref().take_while(|line| *line != "```").collect();
        let digits: String = digits.split_whitespace().collect();
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect(name);
        examples.push((name.trim(), (0..digits.len()).step_by(2).map(byte).collect()));
    }
    examples
}

/// Returns the bytes of the example of this name.
pub(crate) fn example(name: &str) -> Vec<u8> {
    let found = examples().into_iter().find(|(of, _)| *of == name);
    found.unwrap_or_else(|| panic!("docs/format.md has no example {name:?}")).1
}

fn codec<T: Decode + Encode>(bytes: &[u8]) -> Vec<u8> {
    T::from_bytes(bytes).expect("what was written").to_bytes()
}

fn atom(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(bytes);
    let (mut again, atom) = (Vec::new(), RawAtom::read(&mut reader).expect("an atom"));
    reader.finish().expect("nothing else");
    atom.write(&mut again);
    again
}

fn path(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(bytes);
    let mut path = Path::default();
    while reader.remaining() > 0 {
        let name = RawAtom::read(&mut reader).expect("a name");
        let kind = Kind::from_tag(reader.byte().expect("a kind")).expect("a known kind");
        path = path.key(&name, kind);
    }
    path.as_bytes().to_vec()
}

fn state(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(bytes);
    let (context, parts) = decode_state(&mut reader).expect("a state");
    reader.finish().expect("nothing else");
    let mut again = Vec::new();
    encode_state(&context, parts.iter(), &mut again);
    again
}

fn saved(bytes: &[u8]) -> Vec<u8> {
    let (context, parts) = load(bytes).expect("a saved value");
    save(&context, parts.iter())
}

fn ticket_of(bytes: &[u8]) -> Ticket {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("rejoin-{digits}").parse().expect("a ticket")
}

fn ticket(bytes: &[u8]) -> Vec<u8> {
    let text = ticket_of(bytes).to_string();
    let digits = text.strip_prefix("rejoin-").expect("its beginning");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn frames(bytes: &[u8]) -> Vec<u8> {
    let (mut frames, mut direction, mut again) =
        (Frames::default(), Direction::default(), Vec::new());
    frames.push(bytes);
    while let Some(message) = frames.next_message().expect("a frame") {
        again.extend(message.frame(&mut direction));
    }
    again
}

#[test]
fn each_example_that_is_read_here_is_what_is_written() {
    for (name, again) in HERE {
        assert_eq!(again(&example(name)), example(name), "{name}");
    }
}

#[test]
fn each_example_is_known_to_one_test() {
    let mut known: Vec<&str> = HERE.iter().map(|(name, _)| *name).collect();
    for (source, names) in ELSEWHERE {
        for name in *names {
            assert!(source.contains(&format!("{name:?}")), "{name} is not read where it should be");
            known.push(name);
        }
    }
    let (examples, named) = (examples(), known.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(known.len(), named.len(), "an example is read twice");
    let documented: BTreeSet<&str> = examples.iter().map(|(name, _)| *name).collect();
    assert_eq!(examples.len(), documented.len(), "two examples have one name");
    assert!(examples.iter().all(|(_, bytes)| !bytes.is_empty()), "an example is empty");
    assert_eq!(documented, named, "examples of docs/format.md, and those that a test reads");
}
