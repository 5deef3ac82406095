//! A set of operations, by their numbers.

/// A set of numbers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Seen(Vec<u64>);

impl Seen {
    pub(crate) fn insert(&mut self, number: usize) {
        let word = number / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word |= other;
        }
    }

    pub(crate) fn has_all(&self, others: &Self) -> bool {
        let word = |at: usize| self.0.get(at).copied().unwrap_or(0);
        others.0.iter().enumerate().all(|(at, other)| other & !word(at) == 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len() * 64).filter(|&number| self.contains(number))
    }
}
