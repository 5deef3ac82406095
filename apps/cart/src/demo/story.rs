//! Carts and decisions as lines that people read.

use std::collections::BTreeMap;

use crate::driver::child_protocol::CartState;

/// The writers behind replica ids, by the eight digits that reports show.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Notes the name behind a replica id of 32 hexadecimal digits.
    pub(crate) fn add(&mut self, replica: &str, name: &str) {
        self.0.insert(replica.chars().take(8).collect(), name.to_owned());
    }

    /// Replaces dots by names in a sentence: `0a1b2c3d:7` becomes `north`.
    fn tell(&self, sentence: &str) -> String {
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

/// Lists carts, one per line; `indent` stands before the first, blanks before the others.
pub(crate) fn list_carts(indent: &str, carts: &[(String, CartState)]) -> String {
    let blank = " ".repeat(indent.len());
    let line = |(index, (customer, cart)): (usize, &(String, CartState))| {
        let lines = cart.lines.iter().map(|(code, quantity)| format!("{quantity} {code}"));
        let mut content = lines.collect::<Vec<_>>().join(", ");
        if content.is_empty() {
            content = "nothing".to_owned();
        }
        let note = cart.note.as_ref().map(|note| format!("  (note: {note})")).unwrap_or_default();
        format!("{}{customer}: {content}{note}", if index == 0 { indent } else { &blank })
    };
    carts.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Lists the decisions, each sentence once, with those who reported it.
pub(crate) fn list_decisions(reports: &[(String, Vec<String>)], names: &Names) -> String {
    let mut reporters: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (region, sentences) in reports {
        for sentence in sentences {
            let told = reporters.entry(names.tell(sentence)).or_default();
            if !told.contains(&region.as_str()) {
                told.push(region);
            }
        }
    }
    let line = |(told, by): (&String, &Vec<&str>)| {
        let (place, rest) = told.split_once(": ").unwrap_or(("", told));
        let (rule, sides) = rest.split_once("; ").unwrap_or((rest, ""));
        format!("  {place}: {rule}\n      {sides}   [{}]", by.join(", "))
    };
    reporters.iter().map(line).collect::<Vec<_>>().join("\n")
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

    #[test]
    fn a_decision_that_two_report_is_listed_once() {
        let reports =
            [("north".to_owned(), vec!["x: r; kept 1".to_owned()]), ("south".to_owned(), vec![])];
        let mut both = reports.to_vec();
        both[1].1.push("x: r; kept 1".to_owned());
        let listed = list_decisions(&both, &Names::default());
        assert_eq!(listed, "  x: r\n      kept 1   [north, south]");
    }

    #[test]
    fn an_empty_cart_says_so() {
        let carts = [("bob".to_owned(), CartState { lines: vec![], note: Some("knock".into()) })];
        assert_eq!(list_carts("> ", &carts), "> bob: nothing  (note: knock)");
    }
}
