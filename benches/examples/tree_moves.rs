//! Moves in a large tree: time and memory, one figure each.
//!
//! ```sh
//! cargo run --release -p rejoin-benches --example tree_moves -- [NODES] [MOVES]
//! ```
//!
//! A tree of NODES nodes (100,000 unless said), each below a random earlier one; then MOVES moves
//! (1,000,000) of a random node below another one, each a transaction that makes its delta; moves
//! that would close a cycle are refused, counted apart, and are not among the MOVES. Then a second
//! replica takes all deltas of the moves. Memory is the resident set as the system tells it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rejoin_benches::{fresh, mix};
use rejoin_crdts::tree::{NodeId, Parent};
use rejoin_crdts::{Delta, EditError, LwwRegister, Replica, Tree};

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
    let forked = resident_bytes();
    let (deltas, refused, took) = shuffle(&mut tree, &ids, moves)?;
    let bytes: u64 = deltas.iter().map(encoded).sum();
    println!(
        "{moves} moves ({refused} refused as cycles): {took:?}, {} ns and {} bytes of delta each",
        took.as_nanos() / u128::from(moves),
        bytes / moves
    );
    let start = Instant::now();
    deltas.iter().for_each(|delta| _ = other.apply(delta));
    let took = start.elapsed();
    println!(
        "applied by another replica: {took:?}, {} ns each",
        took.as_nanos() / u128::from(moves)
    );
    drop(deltas);
    let start = Instant::now();
    let outline = tree.outline();
    println!("outline of {} nodes: {:?}", outline.len(), start.elapsed());
    assert_eq!(outline, other.outline());
    println!("memory after the moves, for two replicas: {} MB", resident_bytes() >> 20);
    println!("memory of one replica before them: {} MB", (forked - planted) >> 20);
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

fn shuffle(
    tree: &mut Replica<Folders>,
    ids: &[NodeId],
    moves: u64,
) -> Result<(Vec<Delta>, u64, Duration), EditError> {
    let bar = ProgressBar::new(moves).with_style(style());
    let pick = |seed: u64| ids[usize::try_from(mix(seed) % ids.len() as u64).unwrap_or(0)];
    let (mut deltas, mut refused) = (Vec::new(), 0);
    let start = Instant::now();
    for attempt in 0.. {
        if deltas.len() as u64 == moves {
            break;
        }
        let (node, below) = (pick(2 * attempt), pick(2 * attempt + 1));
        match tree.edit(|tree| tree.move_to(node, Parent::Node(below))) {
            Ok(delta) => deltas.push(delta),
            Err(EditError::BelowItself { .. }) => refused += 1,
            Err(error) => return Err(error),
        }
        if attempt % 10_000 == 0 {
            bar.set_position(deltas.len() as u64);
        }
    }
    let took = start.elapsed();
    bar.finish_and_clear();
    Ok((deltas, refused, took))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} moves, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn encoded(delta: &Delta) -> u64 {
    use rejoin_vclock::codec::Encode;
    delta.to_bytes().len() as u64
}

/// Zero where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
