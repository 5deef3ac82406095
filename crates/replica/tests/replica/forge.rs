//! Entries of every kind, and frames around bytes that no honest peer would send.

use std::sync::LazyLock;

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{EditError, LwwRegister, OrMap, OrSet, Path};
use rejoin_replica::Now;
use rejoin_replica::entry::{Entry, Head, HeadAt, Record};
use rejoin_replica::message::{Direction, Message, Refusal};
use rejoin_vclock::VersionVector;
use rejoin_vclock::codec::{Reader, write_varint};

use crate::pipes::{Cart, Peer, SPACE, greeted, id};

/// Makes frames around any bodies, with the right checksums.
pub(crate) fn stream<'a>(messages: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let (mut stream, mut checksum) = (Vec::new(), 0);
    for (kind, body) in messages {
        let mut hasher = crc32fast::Hasher::new_with_initial(checksum);
        hasher.update(&[kind]);
        hasher.update(body);
        checksum = hasher.finalize();
        stream.extend([b'R', 4, kind]);
        stream.extend(checksum.to_le_bytes());
        write_varint(&mut stream, body.len() as u64);
        stream.extend_from_slice(body);
    }
    stream
}

/// Returns the kind and the body of a whole frame.
pub(crate) fn unseal(frame: &[u8]) -> (u8, &[u8]) {
    let mut reader = Reader::new(&frame[7..]);
    let length = reader.varint().expect("a length");
    assert_eq!(reader.remaining() as u64, length);
    (frame[2], &frame[frame.len() - reader.remaining()..])
}

/// Makes one durable entry of a replica.
pub(crate) fn write(
    peer: &mut Peer,
    wall: u64,
    key: &[u8],
    change: impl FnOnce(&mut Places<'_, '_>) -> Result<(), EditError>,
) -> Record {
    let now = Now { wall, elapsed: 0 };
    let stamp = peer.core.stamp(now);
    let base = peer.core.source();
    let mut draft = peer.core.draft(&base, stamp);
    change(&mut Places(&mut draft)).expect("the edit is fine");
    let entry = peer.core.entry(draft.finish().0, stamp).expect("the edit changes something");
    peer.core.commit(entry, key.to_vec()).expect("all is in memory");
    peer.write();
    peer.records.last().expect("just written").clone()
}

/// A value of each kind in one draft.
pub(crate) struct Places<'a, 'b>(&'a mut rejoin_crdts::edit::Draft<'b>);

impl Places<'_, '_> {
    fn at(&mut self, key: &str, kind: rejoin_crdts::Kind) -> Cursor<'_> {
        Cursor::new(self.0, Path::object(key, kind))
    }

    pub(crate) fn cart(&mut self) -> <Cart as Crdt>::Editor<'_> {
        Cart::editor(self.at("alice", Cart::KIND))
    }

    pub(crate) fn tags(&mut self) -> <OrMap<String, OrSet<String>> as Crdt>::Editor<'_> {
        OrMap::editor(self.at("tags", Cart::KIND))
    }

    pub(crate) fn note(&mut self) -> <LwwRegister<String> as Crdt>::Editor<'_> {
        LwwRegister::editor(self.at("note", LwwRegister::<String>::KIND))
    }
}

fn tell(from: &mut Peer, to: &mut Peer) {
    let session = greeted(from, to, Now::default());
    let entries = from.records.iter().map(|record| record.entry.clone()).collect();
    assert_eq!(to.core.handle_message(session, Message::Entries(entries), Now::default()), Ok(()));
    to.core.close_session(session);
    to.write();
}

/// Entries of three replicas: every kind of effect, deps, floors, and removals by vector.
pub(crate) static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let [mut a, mut b, mut c] = [1, 2, 3].map(|n| Peer::new(id(n)));
    write(&mut a, 1_000, b"", |at| {
        at.cart().entry("apples").add(2)?;
        at.cart().entry("apricots").add(-3)?;
        at.cart().entry("figs").add(1)?;
        at.note().set("ring twice")
    });
    write(&mut b, 2_000, b"", |at| {
        (0..40).try_for_each(|tag| at.tags().entry("shelf").insert(&format!("tag {tag}")))?;
        at.note().set("ring once")
    });
    tell(&mut a, &mut c);
    tell(&mut b, &mut c);
    write(&mut c, 3_000, b"", |at| {
        at.cart().remove("apples")?;
        at.cart().remove("figs")?;
        at.tags().clear()?;
        at.note().clear()
    });
    tell(&mut c, &mut a);
    write(&mut a, 4_000, b"", |at| {
        at.cart().entry("apples").add(7)?;
        at.tags().entry("shelf").insert("tag 1")?;
        at.tags().entry("shelf").remove("tag 1")?;
        at.tags().entry("shelf").insert("tag 2")?;
        at.note().set("at the back")
    });
    tell(&mut a, &mut c);
    c.records.iter().map(|record| record.entry.clone()).collect()
});

/// Heads of histories.
pub(crate) static HEADS: LazyLock<[HeadAt; 2]> = LazyLock::new(|| {
    [(1, 3), (2, 300)].map(|(n, counter)| HeadAt {
        origin: id(n),
        counter,
        head: Head([n + 0x40; 16]),
    })
});

/// A frame of every kind, each the first of its stream.
pub(crate) static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let vector: VersionVector = [(id(1), 3), (id(2), 41), (id(9), 1 << 39)].into_iter().collect();
    let pairs = vec![(id(1), 6), (id(2), 41), (id(1), 300)];
    let mut messages = vec![
        Message::Hello { space: SPACE, replica: id(9), pull: true, vector, digest: [7; 16] },
        Message::Entries(ENTRIES.clone()),
        Message::Have(pairs.clone()),
        Message::Have(Vec::new()),
        Message::Want(pairs),
        Message::Refuse(Refusal::TooOld),
        Message::Agree { digest: [7; 16], behind: HEADS.to_vec() },
        Message::Heads(HEADS.to_vec()),
        Message::Probe(HEADS[..1].to_vec()),
        Message::Common { origin: id(2), counter: 40 },
        Message::Same,
    ];
    messages.extend(ENTRIES.iter().map(|entry| Message::Entries(vec![entry.clone()])));
    messages.iter().map(|message| message.frame(&mut Direction::default())).collect()
});

/// Returns a core that can handle the message of each of [`FRAMES`]: it has the first two entries.
pub(crate) fn reader() -> Peer {
    let mut peer = Peer::new(id(8));
    for entry in &ENTRIES[..2] {
        recover(&mut peer, entry);
    }
    peer
}

/// Makes a core read an entry as from its own log.
pub(crate) fn recover(peer: &mut Peer, entry: &Entry) {
    let head = peer.core.head(entry.delta().origin()).after(entry);
    assert_eq!(peer.core.recover(Record { key: Vec::new(), head, entry: entry.clone() }), Ok(true));
}
