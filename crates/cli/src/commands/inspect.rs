//! `rejoin inspect`.

use std::path::Path;

use rejoin_replica::ops::{Inspection, SpaceInspection, inspect_file};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Maximum number of replicas of a vector that are shown to people.
const SHOWN: usize = 20;

pub(super) fn run(store: &Path, as_json: bool) -> Result<(), Failure> {
    let found = inspect_file(store)?;
    if as_json {
        println!("{:#}", to_json(&found));
    } else {
        print(store, &found);
    }
    Ok(())
}

fn to_json(found: &Inspection) -> Value {
    let copied_from =
        found.copied_from.map(|from| json!({ "store": from.store.to_string(), "at": from.at }));
    json!({
        "identity": found.identity.map(|id| id.to_string()),
        "before": found.before.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "copied_from": copied_from,
        "bytes": found.bytes,
        "spaces": found.spaces.iter().map(space_to_json).collect::<Vec<_>>(),
        "problems": found.problems,
    })
}

fn space_to_json(space: &SpaceInspection) -> Value {
    let state = match &space.state {
        Err(problem) => json!({ "problem": problem }),
        Ok(state) => {
            let vector = state.vector.iter().zip(&state.heads).map(|((id, counter), head)| {
                json!({ "replica": id.to_string(), "counter": counter, "head": hex(&head.0) })
            });
            json!({
                "log_bytes": state.log_bytes,
                "runs": state.runs,
                "run_bytes": state.run_bytes,
                "flushed": state.flushed,
                "digest": state.digest.to_string(),
                "fingerprint": state.fingerprint.to_string(),
                "vector": vector.collect::<Vec<_>>(),
            })
        }
    };
    json!({
        "name": space.name,
        "ticket": space.ticket.to_string(),
        "entries": space.entries,
        "record_version": space.record_version,
        "state": state,
    })
}

fn print(store: &Path, found: &Inspection) {
    let id = found.identity.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    println!("{}: {} bytes, identity {id}", store.display(), found.bytes);
    found.before.iter().for_each(|id| println!("  before that {id}"));
    if let Some(from) = found.copied_from {
        println!("  copied from store {} at {} ms since 1970", from.store, from.at);
    }
    for space in &found.spaces {
        println!("{:?}: {} entries", space.name, space.entries);
        println!("  ticket {}", space.ticket);
        match &space.state {
            Err(problem) => println!("  its state cannot be read: {problem}"),
            Ok(state) => {
                let (log, runs, bytes) = (state.log_bytes, state.runs, state.run_bytes);
                println!("  {log} bytes of entries; {bytes} bytes in {runs} runs");
                println!("  flushed up to entry {}", state.flushed);
                for ((id, counter), head) in state.vector.iter().zip(&state.heads).take(SHOWN) {
                    println!("  {id} up to {counter}, head {}", hex(&head.0));
                }
                let more = state.vector.len().saturating_sub(SHOWN);
                if more > 0 {
                    println!("  and {more} more replicas; --json has them all");
                }
                println!("  digest {}", state.digest);
                println!("  fingerprint {}", state.fingerprint);
            }
        }
    }
    found.problems.iter().for_each(|problem| println!("cannot be read: {problem}"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
