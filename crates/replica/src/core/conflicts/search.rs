//! Searching the conflict log: only what is on the page is read, however long the log is.
//!
//! A search goes from segment to segment, in the order asked for, by the rows of all terms that it
//! asks for at once: each says where its next segment is, and the farthest one counts.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_crdts::Rule;
use rejoin_resolve::Policy;
use rejoin_vclock::ReplicaId;

use super::contents::Contents;
use super::rows::Rows;
use crate::error::Result;
use crate::format::conflict::{Conflict, Strategy};
use crate::format::conflict_segment::{Term, offsets};
use crate::format::row;

/// What is asked of a conflict log.
#[derive(Clone, Default, Debug)]
pub(crate) struct Filter {
    /// The beginning of the path.
    pub under: Option<Vec<u8>>,
    /// The earliest time, and the one after the latest, in milliseconds since 1970.
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub peer: Option<ReplicaId>,
    pub rule: Option<Rule>,
    pub policy: Option<Policy>,
    pub strategy: Option<Strategy>,
    pub is_open: Option<bool>,
    pub is_oldest_first: bool,
}

impl Filter {
    fn terms(&self) -> Vec<Term> {
        let terms = [
            self.under.as_deref().map(Term::object),
            self.peer.map(Term::peer),
            self.rule.map(Term::rule),
            self.policy.as_ref().map(Term::policy),
            self.strategy.map(Term::strategy),
        ];
        terms.into_iter().flatten().collect()
    }

    fn fits(&self, conflict: &Conflict) -> bool {
        let path = conflict.path.as_bytes();
        self.under.as_ref().is_none_or(|under| path.starts_with(under))
            && self.from.is_none_or(|from| conflict.at >= from)
            && self.to.is_none_or(|to| conflict.at < to)
            && self.peer.is_none_or(|peer| conflict.is_with(peer))
            && self.rule.is_none_or(|rule| conflict.rule == rule)
            && self.policy.as_ref().is_none_or(|policy| conflict.policy.as_ref() == Some(policy))
            && self.strategy.is_none_or(|strategy| conflict.strategy() == strategy)
            && self.is_open.is_none_or(|is_open| conflict.is_open() == is_open)
    }

    fn may_have(&self, earliest: u64, latest: u64) -> bool {
        self.from.is_none_or(|from| latest >= from) && self.to.is_none_or(|to| earliest < to)
    }
}

/// A search under way.
pub(crate) struct Search<'a> {
    rows: &'a Rows,
    contents: &'a Contents,
    filter: &'a Filter,
    terms: Vec<Term>,
    /// Nothing up to this number, or from it on, is asked for any more.
    after: Option<u64>,
    /// The segment to look at next; the tail is the one after the last.
    block: Option<usize>,
    /// Records that may fit, the next one last.
    numbers: Vec<u64>,
}

impl<'a> Search<'a> {
    /// A search behind a record.
    pub(super) fn new(
        rows: &'a Rows,
        contents: &'a Contents,
        filter: &'a Filter,
        after: Option<u64>,
    ) -> Self {
        let last = contents.segments.len();
        let block = match (after, filter.is_oldest_first) {
            (None, true) => 0,
            (None, false) => last,
            (Some(after), _) if after >= contents.tail.first => last,
            (Some(after), _) => {
                contents.segments.partition_point(|it| it.first <= after).saturating_sub(1)
            }
        };
        let (terms, numbers) = (filter.terms(), Vec::new());
        Self { rows, contents, filter, terms, after, block: Some(block), numbers }
    }
}

impl Search<'_> {
    /// The next record. One that is damaged is left out.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when rows cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Conflict>> {
        loop {
            while let Some(number) = self.numbers.pop() {
                let conflict = self.contents.conflict(self.rows, number)?;
                if let Some(conflict) = conflict.filter(|it| self.filter.fits(it)) {
                    return Ok(Some(conflict));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes the next segment in which something may fit. False if there is none.
    fn fill(&mut self) -> Result<bool> {
        let Some(block) = self.block else { return Ok(false) };
        let offsets = match self.contents.segments.len() == block {
            true => Some((block, self.in_tail())),
            false => self.meet(block)?,
        };
        // Behind the segments is the tail.
        let (found, offsets) = match offsets {
            Some(found) => found,
            None if self.filter.is_oldest_first => (self.contents.segments.len(), self.in_tail()),
            None => {
                self.block = None;
                return Ok(false);
            }
        };
        self.block = match self.filter.is_oldest_first {
            true => Some(found + 1).filter(|next| *next <= self.contents.segments.len()),
            false => found.checked_sub(1),
        };
        let segment = self.contents.segments.get(found).unwrap_or(&self.contents.tail);
        if self.filter.may_have(segment.earliest, segment.latest) {
            let numbers = offsets.into_iter().map(|offset| segment.first + u64::from(offset));
            let oldest = self.filter.is_oldest_first;
            let is_past = |number: &u64| match self.after {
                Some(after) if oldest => *number > after,
                Some(after) => *number < after,
                None => true,
            };
            self.numbers.extend(numbers.filter(is_past));
            if oldest {
                self.numbers.reverse();
            }
        }
        Ok(true)
    }

    /// The offsets of the records in the tail that may fit, ascending.
    fn in_tail(&self) -> Vec<u8> {
        let first = self.contents.tail.first;
        let fits = |(offset, terms): &(u8, &Vec<Term>)| {
            let is_open = self.contents.opens.has(first + u64::from(*offset));
            self.filter.is_open.is_none_or(|wanted| wanted == is_open)
                && self.terms.iter().all(|term| terms.contains(term))
        };
        let records = (0..=u8::MAX).zip(&self.contents.terms);
        records.filter(fits).map(|(offset, _)| offset).collect()
    }

    /// The next segment from one on that all terms have records in, and the offsets of those that
    /// have all.
    fn meet(&self, mut block: usize) -> Result<Option<(usize, Vec<u8>)>> {
        'again: loop {
            let Some(segment) = self.contents.segments.get(block) else { return Ok(None) };
            let mut common: Option<Vec<u8>> = None;
            let mut narrow = |offsets: Vec<u8>| match &mut common {
                Some(common) => common.retain(|offset| offsets.contains(offset)),
                None => common = Some(offsets),
            };
            if let Some(is_open) = self.filter.is_open {
                let Some(next) = self.with_any(is_open, block) else { return Ok(None) };
                if next != block {
                    block = next;
                    continue;
                }
                let opens = &self.contents.opens;
                narrow(if is_open { opens.offsets(segment) } else { opens.settled(segment) });
            }
            for term in &self.terms {
                let Some((next, offsets)) = self.seek(*term, block)? else { return Ok(None) };
                if next != block {
                    block = next;
                    continue 'again;
                }
                narrow(offsets);
            }
            let all = || (0..=u8::MAX).zip(0..segment.count).map(|(offset, _)| offset).collect();
            return Ok(Some((block, common.unwrap_or_else(all))));
        }
    }

    /// The next segment from one on that has open records, or settled ones.
    fn with_any(&self, is_open: bool, block: usize) -> Option<usize> {
        let has = |at: &usize| {
            let segment = self.contents.segments.get(*at);
            segment.is_some_and(|it| if is_open { it.open > 0 } else { it.open < it.count })
        };
        match self.filter.is_oldest_first {
            true => (block..self.contents.segments.len()).find(has),
            false => (0..=block).rev().find(has),
        }
    }

    /// The next segment from one on that has a term, and the offsets of its records there.
    fn seek(&self, term: Term, block: usize) -> Result<Option<(usize, Vec<u8>)>> {
        if !self.filter.is_oldest_first {
            return self.at_or_before(term, block, 0);
        }
        // Rows stand newest first: windows that double find the oldest one at little cost.
        let (mut start, mut width) = (block, 1);
        while start < self.contents.segments.len() {
            let end = (start + width).min(self.contents.segments.len());
            let (mut from, mut oldest) = (end - 1, None);
            while let Some((found, offsets)) = self.at_or_before(term, from, start)? {
                oldest = Some((found, offsets));
                match found.checked_sub(1).filter(|next| *next >= start) {
                    Some(next) => from = next,
                    None => break,
                }
            }
            if oldest.is_some() {
                return Ok(oldest);
            }
            (start, width) = (end, width * 2);
        }
        Ok(None)
    }

    /// The last segment up to one that has a term, but none before `least`.
    fn at_or_before(
        &self,
        term: Term,
        block: usize,
        least: usize,
    ) -> Result<Option<(usize, Vec<u8>)>> {
        let first = |block: usize| self.contents.segments.get(block).map_or(0, |it| it.first);
        let mut from = row::conflict_term(term.0, first(block));
        let end = row::conflict_term(term.0, first(least));
        while let Some((key, bytes)) = self.rows.next(&from)?.filter(|(key, _)| *key <= end) {
            let found =
                row::conflict_term_first(&key).and_then(|first| self.contents.block_of(first));
            match (found, offsets(&bytes)) {
                (Some(found), Ok(offsets)) => return Ok(Some((found, offsets.to_vec()))),
                // A damaged row says nothing; whoever looks reads all records of its segment.
                (Some(found), Err(_)) => return Ok(Some((found, (0..=u8::MAX).collect()))),
                (None, _) => from = [&key[..], &[0]].concat(),
            }
        }
        Ok(None)
    }
}
