//! Moves in a large tree: time and memory, one figure each.
//!
//! ```sh
//! cargo run --release -p rejoin-benches --example tree_moves -- [NODES] [MOVES]
//! ```
//!
//! A tree of NODES nodes (default 100,000), each below a random earlier one; then MOVES moves
//! (default 1,000,000) of a random node below another one, each a transaction that makes its delta,
//! which a second replica takes. Moves that would close a cycle are refused and counted apart, and
//! are not among the MOVES. Random moves make a tree deep, and a move walks up to the root twice:
//! the mean depth is shown, too. Memory is the resident set as the system reports it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rejoin_benches::{fresh, mix};
use rejoin_crdts::ordered::{NodeId, Parent};
use rejoin_crdts::{EditError, LwwRegister, Replica, Tree};
use rejoin_vclock::codec::Encode;

type Folders = Tree<LwwRegister<String>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let nodes = arguments.next().transpose()?.unwrap_or(100_000);
    let moves = arguments.next().transpose()?.unwrap_or(1_000_000);
    let empty = resident_bytes();
    let mut tree = Replica::<Folders>::new(fresh(1));
    let (ids, took) = plant(&mut tree, nodes)?;
    let planted = resident_bytes();
    println!("{nodes} nodes: {took:?}, {} bytes per node", (planted - empty) / nodes);
    let mut other = tree.fork(fresh(2));
    let shuffled = shuffle(&mut tree, &mut other, &ids, moves)?;
    let Shuffled { refused, bytes, edits, applies } = shuffled;
    let each = |took: Duration| took.as_nanos() / u128::from(moves.max(1));
    println!("{moves} moves ({refused} refused as cycles): {edits:?}, {} ns each", each(edits));
    println!("applied by another replica: {applies:?}, {} ns each", each(applies));
    println!("bytes of delta: {} each", bytes / moves.max(1));
    println!("memory for both replicas: {} MB", resident_bytes() >> 20);
    let start = Instant::now();
    let outline = tree.outline();
    println!("outline of {} nodes: {:?}", outline.len(), start.elapsed());
    assert_eq!(outline, other.outline());
    let depths = ids.iter().step_by(97).map(|&id| outline.above(id).count());
    let (count, sum) = depths.fold((0, 0), |(count, sum), depth| (count + 1, sum + depth));
    println!("mean depth: {}", sum / count);
    Ok(())
}

fn plant(tree: &mut Replica<Folders>, nodes: u64) -> Result<(Vec<NodeId>, Duration), EditError> {
    let mut ids = Vec::new();
    let start = Instant::now();
    for node in 0..nodes {
        let below = match node {
            0 => Parent::Root,
            _ => Parent::Node(ids[usize::try_from(mix(node) % node).unwrap_or(0)]),
        };
        tree.edit(|tree| {
            ids.push(tree.create(below)?);
            Ok(())
        })?;
    }
    Ok((ids, start.elapsed()))
}

struct Shuffled {
    refused: u64,
    bytes: u64,
    edits: Duration,
    applies: Duration,
}

fn shuffle(
    tree: &mut Replica<Folders>,
    other: &mut Replica<Folders>,
    ids: &[NodeId],
    moves: u64,
) -> Result<Shuffled, EditError> {
    let bar = ProgressBar::new(moves).with_style(style());
    let pick = |seed: u64| ids[usize::try_from(mix(seed) % ids.len() as u64).unwrap_or(0)];
    let (edits, applies) = (Duration::ZERO, Duration::ZERO);
    let mut done = Shuffled { refused: 0, bytes: 0, edits, applies };
    let mut attempt = 0;
    while attempt - done.refused < moves {
        let (node, below) = (pick(2 * attempt), pick(2 * attempt + 1));
        attempt += 1;
        let start = Instant::now();
        let moved = tree.edit(|tree| tree.move_to(node, Parent::Node(below)));
        done.edits += start.elapsed();
        match moved {
            Ok(delta) => {
                done.bytes += delta.to_bytes().len() as u64;
                let start = Instant::now();
                other.apply(&delta);
                done.applies += start.elapsed();
            }
            Err(EditError::BelowItself { .. }) => done.refused += 1,
            Err(error) => return Err(error),
        }
        if attempt % 10_000 == 0 {
            bar.set_position(attempt - done.refused);
        }
    }
    bar.finish_and_clear();
    Ok(done)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} moves, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Returns the resident memory; zero where the system does not report it.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
