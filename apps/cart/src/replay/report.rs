//! The outcome of a replay: one JSON object, or a few lines for people.

use std::fmt;

use serde::Serialize;

/// The outcome of a replay; its fields, in this order, are those of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Invoice lines that were replayed.
    pub(crate) lines: u64,
    /// Malformed lines that were skipped.
    pub(crate) skipped: u64,
    /// Transactions made of the lines.
    pub(crate) transactions: u64,
    /// Carts in the merged state.
    pub(crate) carts: u64,
    /// The sum of all quantities in the merged carts.
    pub(crate) units: i64,
    /// Replicas that took part.
    pub(crate) replicas: u64,
    /// Cuts that were made.
    pub(crate) cuts: u64,
    /// Replicas that were killed.
    pub(crate) kills: u64,
    /// Transactions with a receipt.
    pub(crate) acknowledged: u64,
    /// Number of times that a kill left it unknown whether a transaction had been applied.
    pub(crate) unknown_outcomes: u64,
    /// Number of those that had been applied, as their idempotency key showed.
    pub(crate) deduplicated: u64,
    /// Set if all replicas hold the same.
    pub(crate) converged: bool,
    /// The digest of each replica, computed after it was closed and opened again.
    pub(crate) digests: Vec<String>,
    /// Time that the replay took.
    pub(crate) seconds: f64,
    /// `lines` per second.
    pub(crate) lines_per_second: f64,
    /// Bytes on all links in both directions, including handshakes and dropped bytes.
    pub(crate) bytes_synced: u64,
    /// Number of those that were dropped; for people only.
    #[serde(skip)]
    pub(crate) bytes_dropped: u64,
    /// The encoded size of all entries: the minimum that has to be sent to every other replica.
    pub(crate) bytes_ideal: u64,
    /// The encoded size of all entries, divided by `lines`.
    pub(crate) bytes_per_line: f64,
}

impl Report {
    /// Returns the object of `--json`, on one line.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain fields: {error}"))
    }

    /// Returns the digest that most replicas have, and the number that have it.
    fn majority(&self) -> (usize, &str) {
        let count = |digest: &String| self.digests.iter().filter(|other| *other == digest).count();
        let most = self.digests.iter().max_by_key(|digest| count(digest));
        most.map_or((0, ""), |digest| (count(digest), digest.as_str()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { lines, skipped, transactions, carts, units, replicas, cuts, kills, .. } = self;
        let Report { acknowledged, unknown_outcomes, deduplicated, seconds, .. } = self;
        let Report { lines_per_second, bytes_synced, bytes_dropped, .. } = self;
        let Report { bytes_ideal, bytes_per_line, .. } = self;
        let overhead = ratio(*bytes_synced, *bytes_ideal);
        writeln!(
            f,
            "sold        {lines} lines ({skipped} skipped) in {transactions} transactions"
        )?;
        writeln!(f, "carts       {carts}, with {units} units in them")?;
        writeln!(f, "faults      {replicas} replicas, {cuts} cuts, {kills} kills")?;
        writeln!(
            f,
            "receipts    {acknowledged} of {transactions}; {unknown_outcomes} outcomes unknown at \
             first, {deduplicated} of them had been applied"
        )?;
        writeln!(
            f,
            "bytes       {bytes_synced} synced ({bytes_dropped} of them dropped), {overhead:.2} x \
             the ideal {bytes_ideal}; {bytes_per_line:.1} per line"
        )?;
        writeln!(f, "time        {seconds:.1} s, {lines_per_second:.0} lines per second")?;
        let (agree, digest) = self.majority();
        let verdict = if self.converged { "converged" } else { "not converged:" };
        write!(f, "{verdict} {agree} of {replicas} {digest}")
    }
}

/// Returns `part` divided by `whole`; zero if `whole` is zero.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            lines: 40_000,
            skipped: 1,
            transactions: 13_199,
            carts: 3_622,
            units: -5,
            replicas: 3,
            cuts: 20,
            kills: 2,
            acknowledged: 13_199,
            unknown_outcomes: 9,
            deduplicated: 4,
            converged: true,
            digests: vec!["ab".to_owned(); 3],
            seconds: 12.5,
            lines_per_second: 3_200.0,
            bytes_synced: 120,
            bytes_dropped: 7,
            bytes_ideal: 100,
            bytes_per_line: 31.25,
        }
    }

    #[test]
    fn json_has_the_promised_fields_in_their_order() {
        let expected = "{\"lines\":40000,\"skipped\":1,\"transactions\":13199,\"carts\":3622,\
            \"units\":-5,\"replicas\":3,\"cuts\":20,\"kills\":2,\"acknowledged\":13199,\
            \"unknown_outcomes\":9,\"deduplicated\":4,\"converged\":true,\
            \"digests\":[\"ab\",\"ab\",\"ab\"],\"seconds\":12.5,\"lines_per_second\":3200.0,\
            \"bytes_synced\":120,\"bytes_ideal\":100,\"bytes_per_line\":31.25}";
        assert_eq!(report().to_json(), expected);
    }

    #[test]
    fn the_last_line_is_the_figure() {
        let last = |report: &Report| report.to_string().lines().last().unwrap().to_owned();
        assert_eq!(last(&report()), "converged 3 of 3 ab");
        let digests = ["cd", "ab", "ab"].map(str::to_owned).to_vec();
        let apart = Report { converged: false, digests, ..report() };
        assert_eq!(last(&apart), "not converged: 2 of 3 ab");
    }

    #[test]
    fn nothing_by_nothing_is_zero() {
        assert!((ratio(3, 2) - 1.5).abs() < f64::EPSILON);
        assert!(ratio(3, 0).abs() < f64::EPSILON);
    }
}
