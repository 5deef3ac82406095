//! Who can reach whom: everybody, or only through others.

use super::network::{Block, Link, Side};
use super::rng::Rng;

/// The links between so many sites: a mesh, a ring, a line or a star.
pub(super) fn links(sites: usize, rng: &mut Rng) -> Vec<Link> {
    let all = (0..sites).flat_map(|a| (a + 1..sites).map(move |b| [a, b]));
    let pairs: Vec<[usize; 2]> = match rng.below(5) {
        0 => (1..sites).map(|b| [b - 1, b]).collect(),
        1 => (0..sites).map(|a| [a, (a + 1) % sites]).collect(),
        2 => (1..sites).map(|b| [0, b]).collect(),
        _ => all.collect(),
    };
    pairs.into_iter().map(|sites| link(sites, rng)).collect()
}

/// Mostly one side keeps the connection up; now and then both try.
fn link(sites: [usize; 2], rng: &mut Rng) -> Link {
    let dialers: Vec<Side> = rng.pick(&[&[0][..], &[1], &[0], &[0, 1]]).to_vec();
    let latency = rng.within(1..=40);
    Link { sites, dialers, latency, delay: (0, 0), block: [Block::default(); 2] }
}
