//! The items of a plan that a run keeps.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// All items of the plan, or some of them by number.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Keep {
    /// All items of the plan.
    #[default]
    All,
    /// These items only.
    Only(BTreeSet<u32>),
}

impl Keep {
    /// Returns true if an item happens.
    pub fn has(&self, item: u32) -> bool {
        match self {
            Self::All => true,
            Self::Only(items) => items.contains(&item),
        }
    }
}

impl FromIterator<u32> for Keep {
    fn from_iter<I: IntoIterator<Item = u32>>(items: I) -> Self {
        Self::Only(items.into_iter().collect())
    }
}

/// Numbers and ranges: `3,17,40-45`; `none` and `all`.
impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(items) = self else { return f.write_str("all") };
        if items.is_empty() {
            return f.write_str("none");
        }
        let items: Vec<u32> = items.iter().copied().collect();
        let runs = items.chunk_by(|a, b| a + 1 == *b);
        for (index, run) in runs.filter_map(|run| run.first().zip(run.last())).enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match run {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// The error of a text that is no list of item numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseKeepError(String);

impl fmt::Display for ParseKeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no item number or range; write 3,17,40-45, none or all", self.0)
    }
}

impl std::error::Error for ParseKeepError {}

impl FromStr for Keep {
    type Err = ParseKeepError;

    fn from_str(text: &str) -> Result<Self, ParseKeepError> {
        match text {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::Only(BTreeSet::new())),
            _ => {}
        }
        let mut items = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let unknown = |_| ParseKeepError(part.to_owned());
            let number = |text: &str| text.parse::<u32>().map_err(unknown);
            items.extend(number(first)?..=number(last)?);
        }
        Ok(Self::Only(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed_in() {
        for text in ["all", "none", "3", "0-2", "3,17,40-45,47"] {
            assert_eq!(text.parse::<Keep>().expect(text).to_string(), text);
        }
        let keep: Keep = "3,5-7".parse().expect("a list");
        assert_eq!((0..9).filter(|&item| keep.has(item)).collect::<Vec<_>>(), [3, 5, 6, 7]);
        assert!("3,x".parse::<Keep>().is_err());
    }
}
