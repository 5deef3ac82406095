//! The names of the shops behind replica ids.

use std::collections::BTreeMap;

use rejoin::ReplicaId;

use crate::look::kept::Kept;

/// The names of stores, by the eight digits of their ids that reports show.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Returns the names of stores, by all ids under which they wrote. A store that cannot be
    /// inspected has none: its id is shown.
    pub(crate) fn of(stores: &[Kept]) -> Names {
        let mut names = Names::default();
        for Kept { name, store } in stores {
            let Ok(inspection) = store.inspect() else { continue };
            for id in inspection.before.into_iter().chain(inspection.identity) {
                names.add(&id.to_string(), name);
            }
        }
        names
    }

    fn add(&mut self, replica: &str, name: &str) {
        self.0.insert(replica.chars().take(8).collect(), name.to_owned());
    }

    /// Returns the name behind an id, or its first eight digits.
    pub(crate) fn name(&self, replica: ReplicaId) -> String {
        let short: String = replica.to_string().chars().take(8).collect();
        self.0.get(&short).cloned().unwrap_or(short)
    }

    /// Replaces dots by names in a sentence: `0a1b2c3d:7` becomes `north`.
    pub(crate) fn tell(&self, sentence: &str) -> String {
        let word = |word: &str| {
            let (end, comma) = match word.find([',', ';']) {
                Some(end) => (end, &word[end..]),
                None => (word.len(), ""),
            };
            let name = word[..end].split_once(':').and_then(|(id, _)| self.0.get(id));
            name.map_or_else(|| word.to_owned(), |name| format!("{name}{comma}"))
        };
        sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_the_report_has_dots() {
        let mut names = Names::default();
        names.add("0a1b2c3d00000000000000000000000e", "north");
        let told = names.tell("a/b: rule; kept 3 by 0a1b2c3d:7; overridden 2 by ffffffff:1");
        assert_eq!(told, "a/b: rule; kept 3 by north; overridden 2 by ffffffff:1");
    }
}
