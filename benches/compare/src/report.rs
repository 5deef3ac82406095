//! What came of it: a table for people, and JSON.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::peer::{Peer, Role};
use crate::run::{Measured, Outcome};
use crate::work::{Target, Unit};

/// A row as it is kept.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Kept {
    pub work: String,
    pub unit: String,
    pub measured: Vec<Measured>,
    pub best_peer: Option<String>,
    /// Ours as a multiple of the best peer, and of the plain collection.
    pub of_best: Option<f64>,
    pub of_limit: Option<f64>,
    pub targets: Vec<String>,
    /// Nothing where no target is.
    pub is_met: Option<bool>,
}

/// A run as it is kept.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Run {
    pub suite: String,
    pub is_quick: bool,
    /// Seconds since 1970.
    pub at: u64,
    /// The commit of the tree that was measured.
    pub revision: String,
    pub machine: String,
    pub compiler: String,
    /// Names and versions of the peers.
    pub versions: Vec<(String, String)>,
    pub rows: Vec<Kept>,
}

/// What whoever is this to us did with a row.
fn of_role<'a>(outcome: &'a Outcome, peers: &[Box<dyn Peer>], role: Role) -> Option<&'a Measured> {
    let has_role = |name: &str| peers.iter().any(|it| it.role() == role && it.name() == name);
    outcome.measured.iter().find(|it| has_role(&it.peer))
}

/// What a row comes to.
pub(crate) fn judge(outcome: &Outcome, peers: &[Box<dyn Peer>]) -> Kept {
    let of_role = |role| of_role(outcome, peers, role);
    let is_peer = |it: &&Measured| {
        peers.iter().any(|peer| peer.name() == it.peer && peer.role() == Role::Peer)
    };
    let less = |a: &&Measured, b: &&Measured| a.median.total_cmp(&b.median);
    let ours = [of_role(Role::Ours), of_role(Role::OursFastest)].into_iter().flatten();
    let ours = ours.min_by(less).map(|it| it.median);
    let best = outcome.measured.iter().filter(is_peer).min_by(less);
    let limit = of_role(Role::Limit);
    let of = |other: Option<&Measured>| Some(ours? / other?.median);
    let (of_best, of_limit) = (of(best), of(limit));
    let named = |name: &str| outcome.measured.iter().find(|it| it.peer == name);
    let is_met = |target: &Target| match *target {
        Target::Of(name, most) => of(named(name)).map(|it| it <= most),
        Target::OfBest(most) => of_best.map(|it| it <= most),
        Target::OfLimit(most) => of_limit.map(|it| it <= most),
        Target::Number(most) => ours.map(|it| it <= most),
    };
    let met: Vec<bool> = outcome.row.targets.iter().filter_map(is_met).collect();
    Kept {
        work: outcome.row.work.to_string(),
        unit: outcome.row.unit.to_string(),
        measured: outcome.measured.clone(),
        best_peer: best.map(|it| it.peer.clone()),
        of_best,
        of_limit,
        targets: outcome.row.targets.iter().map(|it| told(it, outcome.row.unit)).collect(),
        is_met: (!met.is_empty()).then(|| met.iter().all(|it| *it)),
    }
}

fn told(target: &Target, unit: Unit) -> String {
    match target {
        Target::Of(name, most) => format!("<= {most} x {name}"),
        Target::OfBest(most) => format!("<= {most} x best"),
        Target::OfLimit(most) => format!("<= {most} x plain"),
        Target::Number(most) => format!("<= {}", number(*most, unit)),
    }
}

/// A number with its unit, short.
pub(crate) fn number(value: f64, unit: Unit) -> String {
    let short = |value: f64| match value {
        it if it < 10.0 => format!("{it:.1}"),
        it => format!("{it:.0}"),
    };
    match (unit, value) {
        (Unit::Nanos, it) if it >= 1e9 => format!("{} s", short(it / 1e9)),
        (Unit::Nanos, it) if it >= 1e6 => format!("{} ms", short(it / 1e6)),
        (Unit::Nanos, it) if it >= 1e4 => format!("{} us", short(it / 1e3)),
        (Unit::Nanos, it) => format!("{} ns", short(it)),
        (Unit::Bytes, it) if it >= 1e6 => format!("{:.2} MB", it / 1e6),
        (Unit::Bytes, it) if it >= 1e4 => format!("{:.1} kB", it / 1e3),
        (Unit::Bytes, it) => format!("{it:.0} B"),
        (Unit::Messages, it) => format!("{it:.0}"),
        (Unit::BytesEach, it) => format!("{} B", short(it)),
        (Unit::PeakOfLive, it) => format!("{it:.1} x"),
    }
}

/// The table, for a terminal as for a page.
pub(crate) fn table(outcomes: &[(Outcome, Kept)], peers: &[Box<dyn Peer>]) -> String {
    let mut lines = vec![
        ["work", "ours (spread)", "best peer", "plain", "/ best", "/ plain", "target", ""]
            .map(str::to_owned),
    ];
    for (outcome, kept) in outcomes {
        let unit = outcome.row.unit;
        let of_role = |role| of_role(outcome, peers, role);
        let median = |it: &Measured| number(it.median, unit);
        let spread = |it: &Measured| {
            let (low, high) = it.quartiles;
            format!("{} ({}-{})", median(it), number(low, unit), number(high, unit))
        };
        let ours = of_role(Role::Ours).map(spread).into_iter();
        let fastest = of_role(Role::OursFastest).map(|it| format!("fastest {}", spread(it)));
        let named = |name: &String| outcome.measured.iter().find(|it| it.peer == *name);
        let best = kept.best_peer.as_ref().and_then(named);
        let ratio = |it: Option<f64>| it.map_or_else(String::new, |it| format!("{it:.2}"));
        lines.push([
            kept.work.clone(),
            ours.chain(fastest).collect::<Vec<_>>().join("; "),
            best.map_or_else(String::new, |it| format!("{} {}", it.peer, median(it))),
            of_role(Role::Limit).map_or_else(String::new, median),
            ratio(kept.of_best),
            ratio(kept.of_limit),
            kept.targets.join(", "),
            kept.is_met.map_or("", |is_met| if is_met { "met" } else { "missed" }).to_owned(),
        ]);
    }
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..8).map(width).collect();
    let mut table = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(table, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        if index == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(table, "| {} |", rule.join(" | "));
        }
    }
    table
}

/// How many rows are met, of those that have a target.
pub(crate) fn summary(outcomes: &[(Outcome, Kept)]) -> String {
    let judged: Vec<bool> = outcomes.iter().filter_map(|(_, kept)| kept.is_met).collect();
    let met = judged.iter().filter(|it| **it).count();
    format!("{met} of {} rows met", judged.len())
}
