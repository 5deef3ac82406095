//! The images that a power loss may leave of a file, made from the recording of what was done to
//! it.

use super::Dice;

const SECTOR: usize = 512;

/// The record of everything that was done to a file.
#[derive(Clone, Default, Debug)]
pub struct Recording {
    pub(super) start: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLen(usize),
    /// A sync that came back: everything before it is durable.
    Sync,
    /// A sync that failed: what came before it may be lost, whatever syncs come after it.
    FailedSync,
}

/// The fate of the writes that were not synced when the power failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Choice {
    /// All are lost.
    None,
    /// All are there.
    All,
    /// All but one are there.
    AllBut(usize),
    /// Only one is there.
    Only(usize),
    /// All before one are there, and the first sectors of that one.
    TornAt(usize),
    /// Each is there, or lost, or torn into sectors that are there or lost, as the dice fall.
    Dice(u64),
}

impl Step {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: data } => write(bytes, *offset, data),
            Self::SetLen(length) => bytes.resize(*length, 0),
            Self::Sync | Self::FailedSync => {}
        }
    }

    /// Applies some of the sectors of a write.
    fn apply_torn(&self, bytes: &mut Vec<u8>, mut kept: impl FnMut(usize) -> bool) {
        let Self::Write { offset, bytes: data } = self else { return self.apply(bytes) };
        let (mut at, mut nth) = (0, 0);
        while at < data.len() {
            let end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
            let end = end.min(data.len());
            if kept(nth) {
                write(bytes, offset + at, data.get(at..end).unwrap_or_default());
            }
            (at, nth) = (end, nth + 1);
        }
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    let place = bytes.get_mut(offset..end).unwrap_or_default();
    place.copy_from_slice(data);
}

impl Recording {
    /// Returns the number of steps. Power may fail before each, and after the last.
    pub const fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns true if nothing was done.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the number of steps that are not synced when power fails before step `cut`.
    pub fn pending(&self, cut: usize) -> usize {
        self.split(cut).1.len()
    }

    /// Returns the content that is certainly durable before step `cut`, and the steps that may be
    /// there.
    fn split(&self, cut: usize) -> (Vec<u8>, Vec<&Step>) {
        let mut bytes = self.start.clone();
        let (mut pending, mut doomed) = (Vec::new(), Vec::new());
        for step in self.steps.iter().take(cut) {
            match step {
                Step::Sync => pending.drain(..).for_each(|step: &Step| step.apply(&mut bytes)),
                Step::FailedSync => doomed.append(&mut pending),
                step => pending.push(step),
            }
        }
        doomed.append(&mut pending);
        (bytes, doomed)
    }

    /// Returns the content that is left when power fails before step `cut`.
    pub fn image(&self, cut: usize, choice: Choice) -> Vec<u8> {
        let (mut bytes, pending) = self.split(cut);
        let mut dice = Dice::new(0, 0);
        if let Choice::Dice(seed) = choice {
            dice = Dice::new(seed, 1);
        }
        for (nth, step) in pending.into_iter().enumerate() {
            match choice {
                Choice::None => {}
                Choice::All => step.apply(&mut bytes),
                Choice::AllBut(lost) if nth == lost => {}
                Choice::AllBut(_) => step.apply(&mut bytes),
                Choice::Only(kept) if nth == kept => step.apply(&mut bytes),
                Choice::Only(_) => {}
                Choice::TornAt(torn) if nth == torn => step.apply_torn(&mut bytes, |nth| nth < 2),
                Choice::TornAt(torn) if nth < torn => step.apply(&mut bytes),
                Choice::TornAt(_) => {}
                Choice::Dice(_) => match dice.below(4) {
                    0 => {}
                    1 => step.apply_torn(&mut bytes, |_| dice.one_in(2)),
                    _ => step.apply(&mut bytes),
                },
            }
        }
        bytes
    }

    /// Returns all choices that need no dice, when power fails before step `cut`.
    pub fn choices(&self, cut: usize) -> impl Iterator<Item = Choice> + use<> {
        let pending = self.pending(cut);
        let single = |nth| [Choice::AllBut(nth), Choice::Only(nth), Choice::TornAt(nth)];
        [Choice::None, Choice::All].into_iter().chain((0..pending).flat_map(single))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FaultyFile;
    use super::*;
    use crate::RawFile;

    fn recorded() -> Recording {
        let file = FaultyFile::new(vec![0; 4]);
        file.write(0, b"ab").unwrap();
        file.sync().unwrap();
        file.write(2, b"cd").unwrap();
        file.set_len(6).unwrap();
        file.write(4, &[b'e'; 1024]).unwrap();
        file.recording()
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_by_choice() {
        let recording = recorded();
        assert_eq!(recording.image(1, Choice::None), [0; 4]);
        assert_eq!(recording.image(1, Choice::All), b"ab\0\0");
        assert_eq!(recording.image(2, Choice::None), b"ab\0\0", "it was synced");
        assert_eq!((recording.pending(2), recording.pending(5)), (0, 3));
        assert_eq!(recording.image(5, Choice::Only(0)), b"abcd");
        assert_eq!(recording.image(5, Choice::Only(1)), b"ab\0\0\0\0");
        let late = recording.image(5, Choice::Only(2));
        assert_eq!((&late[..5], late.len()), (&b"ab\0\0e"[..], 1028), "writes are reordered");
        assert_eq!(recording.image(5, Choice::AllBut(2)), b"abcd\0\0");
        assert_eq!(recording.image(5, Choice::TornAt(2)).len(), 1024, "torn between sectors");
        assert_eq!(recording.choices(5).count(), 2 + 3 * 3);
        let rolled = |seed| recording.image(5, Choice::Dice(seed));
        assert_eq!(rolled(3), rolled(3));
        assert!((0..9).any(|seed| rolled(seed) != rolled(9)));
    }

    #[test]
    fn after_a_failed_sync_the_next_one_promises_nothing() {
        let file = FaultyFile::new(vec![0; 4]);
        file.write(0, b"ab").unwrap();
        file.fail_at(1, super::super::Trouble::Error);
        assert!(file.sync().is_err());
        file.write(2, b"cd").unwrap();
        file.sync().unwrap();
        let recording = file.recording();
        assert_eq!(recording.image(recording.len(), Choice::None), b"\0\0cd");
        assert_eq!(recording.image(recording.len(), Choice::All), b"abcd");
        assert_eq!(file.bytes(), b"abcd", "the process itself sees nothing of it");
    }
}
