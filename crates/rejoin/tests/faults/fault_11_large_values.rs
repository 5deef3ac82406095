//! Fault 11: 8 MiB in one register was refused with "split it", and 4.2 MB of zeros as 8,400,043
//! bytes. The stored content is what counts, and the advice fits the value that was refused.

use rejoin::crdts::EditError;
use rejoin::limits::{MAX_PATH_BYTES, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, MAX_WRITTEN_BYTES};
use rejoin::prelude::*;
use rejoin::replica::ops::Depth;

use crate::wire::sync;

type Notes = Space<OrMap<String, LwwRegister<Vec<u8>>>>;

fn notes(store: &Store) -> Notes {
    store.create_space("notes").expect("a first space")
}

fn set(notes: &Notes, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
    notes.transact(|tx| tx.object("n").entry(name).set(value)).map(|done| done.value)
}

/// Lengths around powers of two and the limit, of bytes that take one byte each in the encoding,
/// and of bytes that take two; through a flush, a session and its flush.
#[test]
fn a_value_up_to_the_limit_is_stored_whatever_is_in_it() {
    let stores = [(); 2].map(|()| Store::memory().expect("memory does not fail"));
    let here = notes(&stores[0]);
    let there: Notes = stores[1].join_space("notes", here.ticket()).expect("joined");
    let around = |middle: usize| [middle - 1, middle, middle + 1];
    let mut lengths: Vec<usize> = [1, 64, 4_000, 4_096, 65_536, 1 << 20].map(around).concat();
    lengths.extend([4_200_000, MAX_VALUE_BYTES]);
    for &length in &lengths {
        for byte in [0, b'x'] {
            set(&here, &format!("{length} {byte}"), vec![byte; length]).expect("it fits");
        }
    }
    sync(&here, &there);
    for store in &stores {
        store.close().expect("flushed");
        let found = store.verify(Depth::Stored, &mut |_| std::ops::ControlFlow::Continue(()));
        assert!(found.expect("checked").is_sound());
    }
    assert_eq!(here.digest(), there.digest());
    for &length in &lengths {
        for byte in [0, b'x'] {
            let value = there.object("n").at(&format!("{length} {byte}")).get().expect("readable");
            assert!(value.is_some_and(|value| value == vec![byte; length]), "{length} of {byte}");
        }
    }
}

#[test]
fn a_value_that_is_too_large_is_told_apart_from_a_transaction() {
    let store = Store::memory().expect("memory does not fail");
    let notes = notes(&store);
    for byte in [0, b'x'] {
        let error = set(&notes, "large", vec![byte; MAX_VALUE_BYTES + 1]).expect_err("too large");
        let StoreError::Edit(EditError::ValueTooLarge { path, bytes }) = &error else {
            panic!("{error}")
        };
        assert_eq!((path.to_string().as_str(), *bytes), ("n/large", MAX_VALUE_BYTES + 1));
        assert!(error.to_string().contains("store it in parts"), "{error}");
    }
    let two = notes.transact(|tx| {
        tx.object("n").entry("one").set(vec![0; 5 << 20])?;
        tx.object("n").entry("two").set(vec![0; 5 << 20])
    });
    let (bytes, most) = (10 << 20, MAX_TRANSACTION_BYTES);
    assert_eq!(two, Err(StoreError::TooLarge { bytes, most }));
    let advice = StoreError::TooLarge { bytes, most }.to_string();
    assert!(advice.contains("split it into several"), "{advice}");
    assert_eq!(notes.keys(), Ok(vec![]), "nothing of either happened");
}

/// A value of pairs counts its items, and a zero byte in them counts as one.
#[test]
fn pairs_count_what_is_in_them() {
    let mut pair = Replica::<LwwRegister<(Vec<u8>, Vec<u8>)>>::new(FreshId::random());
    let of = |first: usize, second: usize| (vec![0; first], vec![7; second]);
    pair.edit(|pair| pair.set(of(5 << 20, 3 << 20))).expect("8 MiB");
    let refused = pair.edit(|pair| pair.set(of(5 << 20, (3 << 20) + 1)));
    let Err(EditError::ValueTooLarge { bytes, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(bytes, MAX_VALUE_BYTES + 1);
}

/// The path is repeated so often that many short operations below a long key take a lot of space.
#[test]
fn a_transaction_of_many_operations_says_what_takes_so_much() {
    let store = Store::memory().expect("memory does not fail");
    let tags: Space<OrSet<u64>> = store.create_space("tags").expect("a first space");
    let key = "k".repeat(3_000);
    assert!(key.len() < MAX_PATH_BYTES);
    let fill = |mut new: std::ops::Range<u64>| {
        tags.transact(|tx| new.try_for_each(|tag| tx.object(&key).insert(&tag)))
    };
    fill(0..20_000).expect("15 MB");
    let bytes = tags.stats().expect("stats").entry_bytes;
    assert!((14_000_000..16_000_000).contains(&bytes), "{bytes}");
    let error = fill(20_000..50_000).expect_err("too much");
    let StoreError::TooMuch { operations, bytes, most } = error else { panic!("{error}") };
    assert_eq!((operations, most), (30_000, MAX_WRITTEN_BYTES));
    assert!(bytes > most);
    assert_eq!(tags.object(&key).len(), Ok(20_000));
}
