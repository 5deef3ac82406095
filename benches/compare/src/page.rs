//! The page of results, from what runs have kept.

use std::fmt::Write as _;
use std::path::Path;

use crate::report::Run;

/// Makes the page of all runs in a directory, and of what stands there about the peers.
///
/// # Errors
/// A file that cannot be read, by name.
pub(crate) fn page(directory: &Path) -> Result<String, String> {
    let mut page = String::from(
        "# Results\n\nPrinted by `cargo run --profile compare -p rejoin-compare -- page`, from the \
         files of `benches/results`.\nMedians; the middle half of all rounds behind them is in the \
         files. Read ratios: machines differ, and one differs\nfrom hour to hour.\n\n",
    );
    page.push_str(LEGEND);
    for suite in ["values", "sync", "store"] {
        let path = directory.join(format!("{suite}.json"));
        if !path.exists() {
            continue;
        }
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| named(&error))?;
        let run: Run = serde_json::from_slice(&bytes).map_err(|error| named(&error))?;
        add(&mut page, &run);
    }
    let peers = directory.join("peers.md");
    let text = std::fs::read_to_string(&peers);
    let text = text.map_err(|error| format!("{}: {error}", peers.display()))?;
    let _ = write!(page, "\n{text}");
    Ok(page)
}

const LEGEND: &str = "\
To run a suite: `cargo run --profile compare -p rejoin-compare -- values`, or `sync`, `store`; the \
build is optimized\nacross all crates and takes some minutes. `--quick` takes smaller sizes, \
`--row counter` only rows with that in their\nnames, `--only yrs` one peer, `--save \
benches/results` writes `values.json` there, whole. A wrong result of anybody ends\nthe run with \
exit code 1; a missed target does not.

- *rejoin* is what the documentation shows first, *rejoin (fastest)* the fastest public way, where \
that is another: to\n  send kept deltas instead of states. A row is met if the faster of the two \
meets its target.
- *plain* is no CRDT: a collection of the standard library or hashbrown, for stores a file that is \
appended to and\n  synced. */ best* and */ plain* are ours as a multiple of the best peer and of \
that.
- Bytes of sync are both ways without hellos, messages are what an end sends before it listens, \
hellos among them. *at\n  most* is the peak of memory as a multiple of what stays.
";

fn add(page: &mut String, run: &Run) {
    let versions: Vec<String> =
        run.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
    let quick = if run.is_quick { " (`--quick`)" } else { "" };
    let Run { suite, machine, compiler, revision, .. } = run;
    let _ = write!(
        page,
        "\n## {suite}{quick}, {}\n\nRevision {revision}; {machine}; {compiler}; {}.\n\n",
        date(run.at),
        versions.join(", ")
    );
    let _ = writeln!(page, "| work | unit | medians | / best | / plain | target | |");
    let _ = writeln!(page, "|---|---|---|---|---|---|---|");
    for row in &run.rows {
        let short =
            |value: f64| if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") };
        let medians: Vec<String> =
            row.measured.iter().map(|it| format!("{} {}", it.peer, short(it.median))).collect();
        let ratio = |it: Option<f64>| it.map_or_else(String::new, |it| format!("{it:.2}"));
        let verdict = row.is_met.map_or("", |is_met| if is_met { "met" } else { "missed" });
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {verdict} |",
            row.work,
            row.unit,
            medians.join(", "),
            ratio(row.of_best),
            ratio(row.of_limit),
            row.targets.join(", ")
        );
    }
    let judged = run.rows.iter().filter_map(|row| row.is_met);
    let met = judged.clone().filter(|it| *it).count();
    let _ = writeln!(page, "\n{met} of {} rows met.", judged.count());
}

/// The day of a time in seconds since 1970, by the Gregorian calendar (Howard Hinnant,
/// *chrono-compatible low-level date algorithms*).
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_796_083_200), "2026-12-01");
    }
}
