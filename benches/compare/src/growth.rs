//! How cost grows with size: work of five sizes, and the exponent that fits.

use rejoin_benches::exponent;

use crate::peer::Peer;
use crate::run::{Effort, Outcome, run};
use crate::work::{Edits, Row, Unit, Work};

/// Work that is to cost the same, or so much more, at every size.
pub(crate) struct Grows {
    what: &'static str,
    sizes: &'static [u64],
    work: fn(u64) -> Work,
    /// The exponent that is promised: 0 is flat.
    most: f64,
}

/// An exponent that is measured is noise up to here.
const NOISE: f64 = 0.15;

const SIZES: [u64; 4] = [100, 1_000, 10_000, 100_000];
const LARGE: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const REPLICAS: [u64; 4] = [3, 32, 256, 1024];

/// All of them.
pub(crate) fn all() -> Vec<Grows> {
    let flat = |what, sizes, work| Grows { what, sizes, work, most: 0.0 };
    let linear = |what, sizes, work| Grows { what, sizes, work, most: 1.0 };
    vec![
        flat("an increment, by replicas", &REPLICAS, |replicas| Work::CounterAdd { replicas }),
        linear("a merge of counters, by replicas", &REPLICAS, |replicas| Work::CounterMerge {
            replicas,
        }),
        flat("an add, by elements", &LARGE, |elements| Work::SetAdd {
            elements,
            edits: Edits::One,
        }),
        flat("a look-up, by elements", &LARGE, |elements| Work::SetContains { elements }),
        flat("taking in 10 more, by elements", &LARGE, |elements| Work::SetCatchUp { elements }),
        linear("encoding, by elements", &LARGE, |elements| Work::SetEncode { elements }),
        linear("decoding, by elements", &LARGE, |elements| Work::SetDecode { elements }),
        flat("a put, by keys in one edit", &SIZES, |keys| Work::MapPut { keys, edits: Edits::All }),
        flat("a get, by keys", &SIZES, |keys| Work::MapGet { keys }),
        flat("an insertion at random, by items", &SIZES, |items| Work::ListInsert { items }),
    ]
}

/// A line of the table: the times and the exponent. The second is true if it is as promised.
pub(crate) fn line(
    grows: &Grows,
    peers: &[Box<dyn Peer>],
    effort: Effort,
    bar: &indicatif::ProgressBar,
) -> (String, bool) {
    let mut points = Vec::new();
    for &size in grows.sizes {
        let row = Row { work: (grows.work)(size), unit: Unit::Nanos, targets: &[] };
        let Outcome { measured, .. } = run(row, peers, effort, bar);
        let best = measured.iter().map(|it| it.median).min_by(f64::total_cmp);
        points.extend(best.map(|nanos| (size as f64, nanos)));
    }
    let exponent = exponent(&points);
    let is_kept = exponent <= grows.most + NOISE;
    let times = points.iter().map(|(_, nanos)| crate::report::number(*nanos, Unit::Nanos));
    let verdict = if is_kept { "met" } else { "missed" };
    let promised = if grows.most == 0.0 { "flat".to_owned() } else { format!("{}", grows.most) };
    let times: Vec<String> = times.collect();
    let line = format!(
        "| {:34} | {} | {exponent:.2} | {promised} | {verdict} |",
        grows.what,
        times.join(", ")
    );
    (line, is_kept)
}
