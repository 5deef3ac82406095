//! The least change of a sequence: which items stay, move, are changed or new.

use alloc::vec::Vec;

/// Maximum number of removals and insertions that a common subsequence is looked for with.
const MOST_DIFFERENCES: usize = 1024;

/// Maximum number of pairs of items that are compared to find those that moved or changed.
const MOST_PAIRS: usize = 1 << 14;

/// The way to an item that is wanted; numbers are places in the old sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It is there, in its place among the others that are kept.
    Keep(usize),
    /// Another one is there that becomes it.
    Change(usize),
    /// It is there, elsewhere.
    Move(usize),
    /// It is new.
    Insert,
}

impl Step {
    /// The old item that stays.
    pub(super) const fn item(self) -> Option<usize> {
        match self {
            Self::Keep(old) | Self::Change(old) | Self::Move(old) => Some(old),
            Self::Insert => None,
        }
    }
}

/// The items of two sequences, by their places.
pub(super) trait Compare {
    /// True if they are equal.
    fn is_equal(&self, old: usize, new: usize) -> bool;
    /// True if one may be the other, changed.
    fn may_be(&self, old: usize, new: usize) -> bool;
    /// The operations that make one of the other.
    fn change(&self, old: usize, new: usize) -> usize;
    /// The operations that remove one.
    fn removal(&self, old: usize) -> usize;
    /// The operations that insert one.
    fn insertion(&self, new: usize) -> usize;
}

/// Returns the way to each wanted item. Old items that no step names are removed.
///
/// As many as can be are kept where they are (a longest common subsequence); of the others those
/// that are equal move, and those in the same gap are changed where one may be the other and that
/// is less than to remove one and to insert the other.
pub(super) fn script(old: usize, new: usize, items: &dyn Compare) -> Vec<Step> {
    let mut steps = alloc::vec![Step::Insert; new];
    if rejoin_vclock::mutant!("json-items-by-index") {
        (0..old.min(new)).for_each(|at| steps[at] = Step::Change(at));
        return steps;
    }
    let kept = common(old, new, items);
    let mut is_used = alloc::vec![false; old];
    for &(from, to) in &kept {
        steps[to] = Step::Keep(from);
        is_used[from] = true;
    }
    moved(&mut steps, &mut is_used, items);
    let (mut after_old, mut after_new) = (0, 0);
    for (from, to) in kept.into_iter().chain([(old, new)]) {
        let olds: Vec<usize> = (after_old..from).filter(|&old| !is_used[old]).collect();
        let news: Vec<usize> = (after_new..to).filter(|&new| steps[new] == Step::Insert).collect();
        for (old, new) in changed(&olds, &news, items) {
            steps[new] = Step::Change(old);
        }
        (after_old, after_new) = (from + 1, to + 1);
    }
    steps
}

/// Returns the pairs of a common subsequence, ascending: all equal items at the beginning and at
/// the end, and the longest between them.
fn common(old: usize, new: usize, items: &dyn Compare) -> Vec<(usize, usize)> {
    let shorter = old.min(new);
    let start = (0..shorter).take_while(|&at| items.is_equal(at, at)).count();
    let end = (0..shorter - start)
        .take_while(|&back| items.is_equal(old - 1 - back, new - 1 - back))
        .count();
    let is_equal = |from: usize, to: usize| items.is_equal(start + from, start + to);
    let between = longest(old - start - end, new - start - end, &is_equal);
    let mut kept: Vec<_> = (0..start).map(|at| (at, at)).collect();
    kept.extend(between.into_iter().map(|(from, to)| (start + from, start + to)));
    kept.extend((0..end).rev().map(|back| (old - 1 - back, new - 1 - back)));
    kept
}

/// Returns a longest common subsequence, by Myers, *An O(ND) difference algorithm and its
/// variations*, 1986; nothing where the sequences differ too much.
fn longest(old: usize, new: usize, is_equal: &dyn Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    if old == 0 || new == 0 {
        return Vec::new();
    }
    // For each number of differences, how far each diagonal got: from -differences in steps of two.
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for differences in 0..=(old + new).min(MOST_DIFFERENCES) {
        let mut round = Vec::with_capacity(differences + 1);
        for diagonal in 0..=differences {
            let mut at = begin(rounds.last(), diagonal, differences);
            // On this diagonal new - old = differences - 2 * diagonal.
            let to = |at: usize| (at + differences).checked_sub(2 * diagonal);
            while at < old && to(at).is_some_and(|to| to < new && is_equal(at, to)) {
                at += 1;
            }
            round.push(at);
            if at >= old && to(at).is_some_and(|to| to >= new) {
                rounds.push(round);
                return traced(&rounds, old, new);
            }
        }
        rounds.push(round);
    }
    Vec::new()
}

/// The place in the old sequence at which a diagonal begins in a round: behind an insertion from
/// the diagonal of the same number in the round before, or a removal from the one below it.
fn begin(before: Option<&Vec<usize>>, diagonal: usize, differences: usize) -> usize {
    let Some(before) = before else { return 0 };
    let inserted = (diagonal < differences).then(|| before[diagonal]);
    let removed = diagonal.checked_sub(1).map(|below| before[below] + 1);
    inserted.max(removed).unwrap_or(0)
}

/// Goes the way back that the rounds found, and returns the pairs on it.
fn traced(rounds: &[Vec<usize>], old: usize, new: usize) -> Vec<(usize, usize)> {
    let (mut at, mut to, mut pairs) = (old, new, Vec::new());
    for differences in (0..rounds.len()).rev() {
        // new - old = differences - 2 * diagonal
        let diagonal = (at + differences - to) / 2;
        let before = differences.checked_sub(1).and_then(|last| rounds.get(last));
        let start = begin(before, diagonal, differences);
        while at > start {
            (at, to) = (at - 1, to - 1);
            pairs.push((at, to));
        }
        let Some(before) = before else { break };
        let is_insertion = diagonal < differences && before[diagonal] == start;
        (at, to) = if is_insertion { (at, to - 1) } else { (at - 1, to) };
    }
    pairs.reverse();
    pairs
}

/// Finds items that are wanted elsewhere than they are.
fn moved(steps: &mut [Step], is_used: &mut [bool], items: &dyn Compare) {
    let mut olds: Vec<usize> = (0..is_used.len()).filter(|&old| !is_used[old]).collect();
    let news: Vec<usize> = (0..steps.len()).filter(|&new| steps[new] == Step::Insert).collect();
    if olds.len().saturating_mul(news.len()) > MOST_PAIRS {
        return;
    }
    for new in news {
        if let Some(place) = olds.iter().position(|&old| items.is_equal(old, new)) {
            let old = olds.remove(place);
            is_used[old] = true;
            steps[new] = Step::Move(old);
        }
    }
}

/// Returns the pairs of items in a gap of which one becomes the other, so that the gap takes the
/// fewest operations.
fn changed(olds: &[usize], news: &[usize], items: &dyn Compare) -> Vec<(usize, usize)> {
    if olds.len().saturating_mul(news.len()) > MOST_PAIRS {
        let pairs = olds.iter().copied().zip(news.iter().copied());
        return pairs.filter(|&(old, new)| items.may_be(old, new)).collect();
    }
    // Costs of what is left behind each pair of places, and whether the pair stays together.
    let width = news.len() + 1;
    let mut costs = alloc::vec![(0, false); width * (olds.len() + 1)];
    for at in (0..costs.len() - 1).rev() {
        let (old, new) = (olds.get(at / width), news.get(at % width));
        let remove = old.map(|&old| (items.removal(old) + costs[at + width].0, false));
        let insert = new.map(|&new| (items.insertion(new) + costs[at + 1].0, false));
        let change = old
            .zip(new)
            .filter(|&(&old, &new)| items.may_be(old, new))
            .map(|(&old, &new)| (items.change(old, new) + costs[at + width + 1].0, true));
        let least = [remove, insert, change].into_iter().flatten().min();
        costs[at] = least.unwrap_or_default();
    }
    let (mut at, mut pairs) = (0, Vec::new());
    while at < costs.len() - 1 {
        let (old, new) = (olds.get(at / width), news.get(at % width));
        let (cost, together) = costs[at];
        match (old, new) {
            (Some(&old), Some(&new)) if together => {
                pairs.push((old, new));
                at += width + 1;
            }
            (Some(&old), _) if cost == items.removal(old) + costs[at + width].0 => at += width,
            _ => at += 1,
        }
    }
    pairs
}
