//! Plays a list of steps, and makes one that fails shorter: without what it also fails without.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Plays steps: the number of checks, or what was wrong, with the fewest steps that lead there. A
/// panic is wrong, too.
pub(crate) fn run<S: Clone + Debug>(
    steps: &[S],
    play: &dyn Fn(&[S]) -> Result<u64, String>,
    thinner: &dyn Fn(&S) -> Vec<S>,
) -> Result<u64, String> {
    let play = |steps: &[S]| {
        let played = catch_unwind(AssertUnwindSafe(|| play(steps)));
        played.unwrap_or_else(|panicked| Err(text_of(&*panicked)))
    };
    let first = match play(steps) {
        Ok(checks) => return Ok(checks),
        Err(wrong) => wrong,
    };
    let short = shrink(steps, &mut |steps: &[S]| play(steps).is_err(), thinner);
    let wrong = play(&short).err().unwrap_or(first);
    let trace: Vec<_> = short.iter().map(|step| format!("  {step:?}")).collect();
    Err(format!("{wrong}\n{}", trace.join("\n")))
}

/// What a panic says.
fn text_of(panicked: &(dyn std::any::Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string));
    format!("a panic: {}", text.unwrap_or_default())
}

/// Leaves out runs of steps, then parts of single ones, as long as it still fails.
fn shrink<S: Clone>(
    steps: &[S],
    fails: &mut dyn FnMut(&[S]) -> bool,
    thinner: &dyn Fn(&S) -> Vec<S>,
) -> Vec<S> {
    let mut short = steps.to_vec();
    let mut length = short.len().div_ceil(2).max(1);
    loop {
        let mut any = false;
        let mut from = 0;
        while from < short.len() {
            let mut without = short.clone();
            without.drain(from..(from + length).min(short.len()));
            if fails(&without) {
                short = without;
                any = true;
            } else {
                from += length;
            }
        }
        if length > 1 {
            length = length.div_ceil(2);
        } else if !any && !thin(&mut short, fails, thinner) {
            return short;
        }
    }
}

/// Makes single steps less; true if any became so.
fn thin<S: Clone>(
    short: &mut [S],
    fails: &mut dyn FnMut(&[S]) -> bool,
    thinner: &dyn Fn(&S) -> Vec<S>,
) -> bool {
    let mut any = false;
    for at in 0..short.len() {
        while let Some(less) = thinner(&short[at]).into_iter().find(|less| {
            let mut tried = short.to_vec();
            tried[at] = less.clone();
            fails(&tried)
        }) {
            short[at] = less;
            any = true;
        }
    }
    any
}
