//! A status line in which the last writer wins, and which is wrong.
//!
//! It counts writes, so that a later one beats those it has seen. When two people write at once the
//! counts are equal, and `merge` then takes the other side's text: each of the two copies ends with
//! what the other had. It passes every test in which people take turns. (A right one compares the
//! texts, or the writers, when the counts are equal; `LwwRegister` does.)

use proptest::prelude::*;
use rejoin::ReplicaId;
use rejoin::crdts::laws::DeltaCrdt;

/// The status of a person.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Status {
    writes: u64,
    text: String,
}

/// A write of the text.
#[derive(Clone, Debug)]
pub(crate) struct Write(&'static str);

impl Status {
    /// The mistake is in this line: of two writes at once, the one that is merged last wins.
    fn take(&mut self, theirs: &Self) -> bool {
        let newer = theirs.writes >= self.writes && theirs != self;
        if newer {
            self.clone_from(theirs);
        }
        newer
    }
}

impl DeltaCrdt for Status {
    type Op = Write;
    type Delta = Self;
    type View = String;

    fn new(_: ReplicaId) -> Self {
        Self::default()
    }

    fn edit(&mut self, write: &Write) -> Option<Self> {
        *self = Self { writes: self.writes + 1, text: write.0.to_owned() };
        Some(self.clone())
    }

    fn apply(&mut self, delta: &Self) -> bool {
        self.take(delta)
    }

    fn merge(&mut self, theirs: &Self) -> bool {
        self.take(theirs)
    }

    /// Encodes the count, the length of the text, and the text.
    fn save(&self) -> Vec<u8> {
        let len = u8::try_from(self.text.len()).expect("short texts");
        [&self.writes.to_be_bytes()[..], &[len], self.text.as_bytes()].concat()
    }

    fn load(bytes: &[u8], _: ReplicaId) -> Option<Self> {
        let (writes, rest) = bytes.split_first_chunk()?;
        let (&len, text) = rest.split_first()?;
        let text = (text.len() == usize::from(len)).then(|| String::from_utf8(text.to_vec()))?;
        Some(Self { writes: u64::from_be_bytes(*writes), text: text.ok()? })
    }

    fn view(&self) -> String {
        self.text.clone()
    }
}

/// Two texts are enough for two people to disagree.
pub(crate) fn writes() -> impl Strategy<Value = Write> {
    prop::sample::select(vec![Write("busy"), Write("away")])
}

#[cfg(test)]
mod tests {
    use rejoin::crdts::laws::{Law, Laws};

    use super::*;

    #[test]
    fn the_kit_finds_the_mistake_and_tells_it() {
        let found = Laws::<Status>::new(writes()).check_all().expect_err("it is wrong");
        assert_eq!(found.law(), Law::Commutative);
        assert_eq!(found.story().len(), 2, "two people write at once: {found}");
        let told = found.to_string();
        for line in [
            "`Status` is not a CRDT: it breaks a law",
            "the law: merge is commutative",
            "  it says   merging b into a gives what merging a into b gives",
            "  if not    two copies that merge each other show different values for ever",
            "what happened",
            "what should be equal",
        ] {
            assert!(told.lines().any(|told| told == line), "{line:?} is missing in:\n{told}");
        }
        // Each ends with what the other wrote.
        let shows = |name: &str| told.lines().find_map(|line| line.trim().strip_prefix(name));
        assert_eq!(shows("a  "), shows("b merges a  "), "{told}");
        assert_eq!(shows("b  "), shows("a merges b  "), "{told}");
        assert_ne!(shows("a  "), shows("b  "), "{told}");
    }
}
