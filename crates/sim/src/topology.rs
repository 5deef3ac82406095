//! The links by which sites reach each other, directly or through others.

use super::network::{Block, Link, Side};
use super::rng::{Purpose, Rng};

/// Draws the links between a number of sites: a mesh, a ring, a line or a star.
pub(super) fn links(sites: usize, seed: u64, rng: &mut Rng) -> Vec<Link> {
    let all = (0..sites).flat_map(|a| (a + 1..sites).map(move |b| [a, b]));
    let pairs: Vec<[usize; 2]> = match rng.below(5) {
        0 => (1..sites).map(|b| [b - 1, b]).collect(),
        1 => (0..sites).map(|a| [a, (a + 1) % sites]).collect(),
        2 => (1..sites).map(|b| [0, b]).collect(),
        _ => all.collect(),
    };
    let numbered = pairs.into_iter().zip(0..);
    numbered.map(|(sites, number)| link(sites, Rng::of(seed, Purpose::Link, number))).collect()
}

/// Draws a link. Mostly one side keeps the connection up; sometimes both try.
fn link(sites: [usize; 2], mut rng: Rng) -> Link {
    let dialers: Vec<Side> = rng.pick(&[&[0][..], &[1], &[0], &[0, 1]]).to_vec();
    let latency = rng.within(1..=40);
    let never = (0, 0);
    let block = [Block::default(); 2];
    Link { sites, dialers, latency, delay: never, rate: never, detour: never, block, rng }
}

/// Returns the maximum number of links on the shortest way between any two sites.
pub(super) fn diameter(sites: usize, links: &[Link]) -> u64 {
    let mut far = vec![vec![sites as u64; sites]; sites];
    (0..sites).for_each(|site| far[site][site] = 0);
    for &[a, b] in links.iter().map(|link| &link.sites) {
        (far[a][b], far[b][a]) = (1, 1);
    }
    for via in 0..sites {
        for from in 0..sites {
            for to in 0..sites {
                far[from][to] = far[from][to].min(far[from][via] + far[via][to]);
            }
        }
    }
    far.into_iter().flatten().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_it_has_links_and_a_mesh_is_one() {
        let link = |sites| link(sites, Rng::new(0));
        assert_eq!(diameter(4, &[[0, 1], [1, 2], [2, 3]].map(link)), 3);
        assert_eq!(diameter(3, &[[0, 1], [1, 2], [0, 2]].map(link)), 1);
        assert_eq!(diameter(4, &[[0, 1], [0, 2], [0, 3]].map(link)), 2);
    }
}
