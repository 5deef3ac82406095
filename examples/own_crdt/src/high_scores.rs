//! A high-score board: the best game of each player, whichever copy it was played on.
//!
//! A map to maxima, written by hand and without rejoin's own types. Nothing is ever taken away, so
//! a delta may come early, late or twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rejoin::ReplicaId;
use rejoin::crdts::laws::DeltaCrdt;

/// The best game of each player.
#[derive(Clone, Default)]
pub(crate) struct HighScores {
    best: BTreeMap<u8, u16>,
}

/// A player's game.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Play {
    player: u8,
    points: u16,
}

impl HighScores {
    /// Records a game; true if it is a new best.
    fn record(&mut self, player: u8, points: u16) -> bool {
        let is_better = self.best.get(&player).is_none_or(|best| *best < points);
        if is_better {
            self.best.insert(player, points);
        }
        is_better
    }
}

impl DeltaCrdt for HighScores {
    type Op = Play;
    type Delta = Play;
    type View = BTreeMap<u8, u16>;

    fn new(_: ReplicaId) -> Self {
        Self::default()
    }

    fn edit(&mut self, play: &Play) -> Option<Play> {
        self.record(play.player, play.points).then_some(*play)
    }

    fn apply(&mut self, play: &Play) -> bool {
        self.record(play.player, play.points)
    }

    fn merge(&mut self, theirs: &Self) -> bool {
        let mut changed = false;
        for (&player, &points) in &theirs.best {
            changed |= self.record(player, points);
        }
        changed
    }

    /// Encodes the number of players, then each with the best game, in the order of players.
    fn save(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.best.len()).expect("players below 200")];
        for (player, points) in &self.best {
            bytes.push(*player);
            bytes.extend(points.to_be_bytes());
        }
        bytes
    }

    fn load(bytes: &[u8], _: ReplicaId) -> Option<Self> {
        let (&count, entries) = bytes.split_first()?;
        if entries.len() != 3 * usize::from(count) || !entries.chunks(3).is_sorted() {
            return None;
        }
        let entries = entries.chunks(3).map(|entry| match *entry {
            [player, high, low] => Some((player, u16::from_be_bytes([high, low]))),
            _ => None,
        });
        Some(Self { best: entries.collect::<Option<_>>()? })
    }

    fn view(&self) -> BTreeMap<u8, u16> {
        self.best.clone()
    }

    fn is_covered_by(&self, other: &Self) -> Option<bool> {
        let beaten = |(player, points)| other.best.get(player).is_some_and(|best| best >= points);
        Some(self.best.iter().all(beaten))
    }
}

/// Few players and few points, so that equal games are frequent.
pub(crate) fn plays() -> impl Strategy<Value = Play> {
    (0..3_u8, 0..4_u16).prop_map(|(player, points)| Play { player, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_is_a_crdt() {
        rejoin::crdts::laws::check_all::<HighScores>(plays());
    }
}
