//! Makes a failing list of steps shorter by leaving out what it also fails without.

/// Leaves out runs of steps, then parts of single ones, as long as it still fails.
pub(crate) fn shrink<S: Clone>(
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
