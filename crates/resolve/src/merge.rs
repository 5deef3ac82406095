//! Three-way merges: of two values that were made of one, the value with the changes of both.
//!
//! Texts are merged by lines, as tools for source code do it: what only one side changed is taken,
//! and where both changed the same or neighbouring lines in different ways, there is no answer.
//! Records are merged by fields, at any depth. Anything else is one piece.
//!
//! # References
//! Khanna, Kunal, Pierce, *A formal investigation of diff3*, FSTTCS 2007.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rejoin_crdts::RawAtom;

use crate::record::Record;

/// Maximum number of pairs of lines that are compared; between texts that differ in more, what is
/// not equal at the beginning or at the end is one change.
const PAIRS: usize = 4 << 20;

/// Both sides changed the same, in different ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clash;

/// Brings two values together that were made of a third; `None` is no value.
pub(crate) fn three_way(
    base: Option<&RawAtom>,
    ours: Option<&RawAtom>,
    theirs: Option<&RawAtom>,
) -> Result<Option<RawAtom>, Clash> {
    if ours == theirs || theirs == base {
        return Ok(ours.cloned());
    }
    if ours == base {
        return Ok(theirs.cloned());
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return Err(Clash) };
    if let (Ok(Record(ours)), Ok(Record(theirs))) = (ours.to(), theirs.to()) {
        // A record that took the place of something else has all of its fields anew.
        let base = base.and_then(|base| base.to().ok()).unwrap_or_default();
        return fields(&base, &ours, &theirs).map(|fields| Some(RawAtom::of(&Record(fields))));
    }
    let text = |atom: &RawAtom| atom.to::<String>().map_err(|_| Clash);
    let (base, ours, theirs) = (text(base.ok_or(Clash)?)?, text(ours)?, text(theirs)?);
    lines(&base, &ours, &theirs).map(|text| Some(RawAtom::of(&text)))
}

fn fields(
    Record(base): &Record,
    ours: &BTreeMap<String, RawAtom>,
    theirs: &BTreeMap<String, RawAtom>,
) -> Result<BTreeMap<String, RawAtom>, Clash> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut merged = BTreeMap::new();
    for name in names {
        if let Some(value) = three_way(base.get(name), ours.get(name), theirs.get(name))? {
            merged.insert(name.clone(), value);
        }
    }
    Ok(merged)
}

fn lines(base: &str, ours: &str, theirs: &str) -> Result<String, Clash> {
    let split = |text| str::split_inclusive(text, '\n').collect::<Vec<_>>();
    let (base, ours, theirs) = (split(base), split(ours), split(theirs));
    let (in_ours, in_theirs) = (matches(&base, &ours), matches(&base, &theirs));
    let mut merged = String::new();
    let (mut at, mut at_ours, mut at_theirs) = (0, 0, 0);
    loop {
        // The next line that both have kept; everything up to it is one piece.
        let anchor = (at..base.len()).find_map(|line| {
            let (ours, theirs) = (in_ours.get(line)?, in_theirs.get(line)?);
            Some((line, (*ours)?, (*theirs)?))
        });
        let (next, to_ours, to_theirs) = anchor.unwrap_or((base.len(), ours.len(), theirs.len()));
        let piece = |lines: &[&str], from: usize, to| lines.get(from..to).unwrap_or(&[]).concat();
        let before = piece(&base, at, next);
        let (a, b) = (piece(&ours, at_ours, to_ours), piece(&theirs, at_theirs, to_theirs));
        merged.push_str(match () {
            () if a == b || b == before => &a,
            () if a == before => &b,
            () => return Err(Clash),
        });
        let Some(line) = base.get(next) else { return Ok(merged) };
        merged.push_str(line);
        (at, at_ours, at_theirs) = (next + 1, to_ours + 1, to_theirs + 1);
    }
}

/// For each line of the base, the line of the other text that it is, by a longest common
/// subsequence.
fn matches(base: &[&str], other: &[&str]) -> Vec<Option<usize>> {
    let mut found = vec![None; base.len()];
    let start = base.iter().zip(other).take_while(|(a, b)| a == b).count();
    let most = base.len().min(other.len()) - start;
    let same_end = base.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = same_end.min(most);
    let (base_end, other_end) = (base.len() - end, other.len() - end);
    for (line, place) in found.iter_mut().enumerate() {
        if line < start {
            *place = Some(line);
        } else if line >= base_end {
            *place = Some(line - base_end + other_end);
        }
    }
    let a = base.get(start..base_end).unwrap_or_default();
    let b = other.get(start..other_end).unwrap_or_default();
    for (line, at) in common(a, b) {
        if let Some(place) = found.get_mut(start + line) {
            *place = Some(start + at);
        }
    }
    found
}

/// Returns the pairs of a longest common subsequence, ascending.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    if a.len().saturating_mul(b.len()) > PAIRS {
        return Vec::new();
    }
    // The length of the longest one of the rests from each pair of lines on.
    let width = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    let at = |longest: &[u32], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or(0);
    for (i, line) in a.iter().enumerate().rev() {
        for (j, other) in b.iter().enumerate().rev() {
            let length = match line == other {
                true => at(&longest, i + 1, j + 1) + 1,
                false => at(&longest, i + 1, j).max(at(&longest, i, j + 1)),
            };
            if let Some(place) = longest.get_mut(i * width + j) {
                *place = length;
            }
        }
    }
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    while let (Some(line), Some(other)) = (a.get(i), b.get(j)) {
        if line == other {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&longest, i + 1, j) >= at(&longest, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_different_lines_are_both_there() {
        let merged = lines("a\nb\nc\nd\n", "a!\nb\nc\nd\n", "a\nb\nc\nd?\ne\n");
        assert_eq!(merged.as_deref(), Ok("a!\nb\nc\nd?\ne\n"));
        assert_eq!(lines("a\nb\n", "b\n", "a\nb\nc\n").as_deref(), Ok("b\nc\n"));
        assert_eq!(lines("a\nb\n", "a\nx\n", "a\nx\n").as_deref(), Ok("a\nx\n"));
    }

    #[test]
    fn changes_of_one_line_have_no_answer() {
        assert_eq!(lines("a\nb\n", "a\nx\n", "a\ny\n"), Err(Clash));
        assert_eq!(lines("", "x\n", "y\n"), Err(Clash));
        assert_eq!(lines("a\nb\n", "a\n", "a\nc\n"), Err(Clash));
    }

    #[test]
    fn a_text_without_a_last_newline_is_a_text() {
        assert_eq!(lines("a\nb", "a\nb", "c\na\nb").as_deref(), Ok("c\na\nb"));
    }
}
