//! The links between the replicas of a run: one for each pair.

/// The unordered pair of two replicas; the lower one dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    /// The replica that dials.
    pub(crate) dials: usize,
    /// The replica that listens; the higher index.
    pub(crate) listens: usize,
}

impl Link {
    /// Returns every link between `replicas` replicas.
    pub(crate) fn all(replicas: usize) -> impl Iterator<Item = Link> {
        (0..replicas).flat_map(move |dials| {
            (dials + 1..replicas).map(move |listens| Link { dials, listens })
        })
    }

    /// True if `replica` is at one of the two ends.
    pub(crate) fn touches(self, replica: usize) -> bool {
        self.dials == replica || self.listens == replica
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_unordered_pairs() {
        assert_eq!(Link::all(2).count(), 1);
        assert_eq!(Link::all(16).count(), 120);
        assert!(Link::all(5).all(|link| link.dials < link.listens));
        assert_eq!(Link::all(5).filter(|link| link.touches(2)).count(), 4);
    }
}
