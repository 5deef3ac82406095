//! Schedules that have broken other systems, and what a client does with the answers.

use rejoin_vclock::{Dot, DottedVersionVector, MAX_COUNTER, VersionVector};

use crate::strategies::{dot, id};

type Texts = DottedVersionVector<&'static str>;

fn blind() -> VersionVector {
    VersionVector::new()
}

fn shown(texts: &Texts) -> Vec<&'static str> {
    texts.values().copied().collect()
}

/// One server, several clients that take turns: each client reads, and writes only after all others
/// have written too. A key with one vector for all its values keeps a sibling for every write.
#[test]
fn interleaved_clients_do_not_explode_into_siblings() {
    const CLIENTS: usize = 3;
    let server = id(0);
    let mut key = DottedVersionVector::new();
    let (mut plain_vector, mut plain_values) = (VersionVector::new(), Vec::new());
    let mut contexts = vec![(blind(), blind()); CLIENTS];
    for write in 0..300usize {
        let (context, plain_context) = &mut contexts[write % CLIENTS];
        key.update(context, server, write).expect("in range");
        if plain_context.covers(&plain_vector) {
            plain_values.clear();
        }
        plain_values.push(write);
        plain_vector.increment(server).expect("in range");

        assert!(key.len() <= CLIENTS, "after write {write}: {key:?}");
        (*context, *plain_context) = (key.context(), plain_vector.clone());
    }
    assert_eq!(plain_values.len(), 300, "what false concurrency costs");
    assert_eq!(key.values().copied().collect::<Vec<_>>(), [299, 298, 297]);
    key.update(&key.context(), server, 300).expect("in range");
    assert!(!key.is_conflict(), "who has read all siblings resolves them");
}

#[test]
fn a_write_without_a_context_never_overwrites() {
    let mut key = Texts::new();
    key.update(&blind(), id(0), "pears").expect("in range");
    key.update(&blind(), id(0), "plums").expect("in range");
    assert_eq!(shown(&key), ["plums", "pears"]);
    key.update(&blind(), id(1), "figs").expect("in range");
    assert_eq!(shown(&key), ["plums", "pears", "figs"]);
}

/// A client reads at one server and writes at another that lacks what it has read: the old value
/// must not come in later, beside the one that replaced it.
#[test]
fn a_context_from_elsewhere_holds_before_its_values_come() {
    let mut here = Texts::new();
    here.update(&blind(), id(0), "pears").expect("in range");
    let read_here = here.context();
    let mut there = Texts::new();
    there.update(&read_here, id(1), "plums").expect("in range");
    assert!(there.contains(dot(0, 1)), "known, though its value never came");

    there.merge(&here);
    assert_eq!(shown(&there), ["plums"]);
    assert!(here.merge(&there));
    assert_eq!(here, there);

    let mut late = Texts::new();
    late.discard(&read_here);
    late.merge(&there);
    assert_eq!(shown(&late), ["plums"]);
}

#[test]
fn a_delete_takes_what_was_seen_and_stays_done() {
    let mut key = Texts::new();
    key.update(&blind(), id(0), "pears").expect("in range");
    let (read, old_copy) = (key.context(), key.clone());
    key.update(&blind(), id(0), "plums").expect("in range");
    assert!(key.discard(&read));
    assert_eq!(shown(&key), ["plums"], "nobody who deleted has seen the plums");
    assert!(!key.discard(&read), "done is done");

    key.discard(&key.context());
    assert!(key.is_empty());
    assert!(!key.merge(&old_copy), "an old copy brings nothing back");
    let again = key.update(&blind(), id(0), "figs").expect("in range");
    assert_eq!(again, dot(0, 3), "no dot is used twice");
    key.merge(&old_copy);
    assert_eq!(shown(&key), ["figs"]);
}

/// A replica that lost its memory, and a client that remembers more of the replica's events than
/// the replica itself.
#[test]
fn a_replica_goes_on_after_what_its_client_has_seen() {
    let remembered = VersionVector::from_iter([(id(0), 7)]);
    let mut key = Texts::new();
    assert_eq!(key.update(&remembered, id(0), "pears"), Ok(dot(0, 8)));
    assert_eq!(key.validate(), Ok(()));
}

#[test]
fn the_last_counter_is_used_and_none_beyond_it() {
    let mut key = Texts::new();
    let nearly = VersionVector::from_iter([(id(0), MAX_COUNTER - 1)]);
    assert_eq!(key.update(&nearly, id(0), "last"), Ok(dot(0, MAX_COUNTER)));
    let before = key.clone();
    for context in [blind(), key.context()] {
        let refused = key.update(&context, id(0), "beyond").expect_err("no counter is left");
        assert_eq!(refused.counter, MAX_COUNTER + 1, "named, and not cut off to fit");
        assert_eq!(key, before);
    }
    assert_eq!(key.get(dot(0, MAX_COUNTER)), Some(&"last"));
    assert!(key.update(&key.context(), id(1), "elsewhere").is_ok());
    assert_eq!(key.validate(), Ok(()));
}

#[test]
fn only_siblings_are_found_by_their_dots() {
    let mut key = Texts::new();
    let first = key.update(&blind(), id(4), "pears").expect("in range");
    let second = key.update(&blind(), id(4), "plums").expect("in range");
    assert_eq!((key.get(first), key.get(second)), (Some(&"pears"), Some(&"plums")));
    key.discard(&VersionVector::from_iter([(id(4), 1)]));
    assert_eq!((key.get(first), key.get(second)), (None, Some(&"plums")));
    assert!(key.contains(first), "replaced is not unknown");
    let strangers: [Dot; 3] = [dot(4, 3), dot(3, 1), dot(5, 1)];
    assert!(strangers.iter().all(|dot| key.get(*dot).is_none() && !key.contains(*dot)));
}

#[test]
fn debug_shows_dots_and_values() {
    let mut key = Texts::new();
    key.update(&blind(), id(0), "pears").expect("in range");
    key.update(&key.context(), id(0), "plums").expect("in range");
    let seen = "{r:00000000: 2}";
    let siblings = r#"[(00000000:2, "plums")]"#;
    let text = format!("DottedVersionVector {{ seen: {seen}, siblings: {siblings} }}");
    assert_eq!(format!("{key:?}"), text);
}
