//! The command line: `cart demo`, `cart replay [FILE]`, `cart conflicts` and `cart history` on what
//! they kept, and the hidden `cart replica` of a child.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::look::moment;
use crate::replay::intake::Malformed;

/// The seed when none is given: the same run for everybody who just tries it.
pub(crate) const DEFAULT_SEED: u64 = 2_011;

/// Three carts that rejoin: durable replicas of a shop that go on selling while they are apart.
#[derive(Debug, Parser)]
#[command(name = "cart", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// One of the things that this program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Cut three regions off from each other, let each go on selling, and watch them rejoin
    Demo(DemoArgs),
    /// Run invoices through replicas whose links are cut, and compare the carts at the end
    Replay(ReplayArgs),
    /// Show what merges decided, from the stores that a demo or a replay kept
    Conflicts(ConflictsArgs),
    /// Show who changed a cart or a product, when, and from what to what
    History(HistoryArgs),
    /// Be one replica, driven by requests on standard input
    #[command(hide = true)]
    Replica(ReplicaArgs),
}

/// Arguments of `cart demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Keep the store files in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Arguments of `cart replay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    /// Invoices as CSV, plain or gzipped; without it, invoices are made up from the seed
    ///
    /// Columns are found by name: invoice, stock_code, quantity, customer_id, country.
    /// InvoiceNo, StockCode, Quantity, CustomerID and Country are accepted as well. Fields are
    /// separated by commas, semicolons or tabs, as in the first line; 2.0 is a quantity of 2.
    pub(crate) file: Option<PathBuf>,

    /// How many replicas take part
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(2..=16))]
    pub(crate) replicas: u8,

    /// How many times links are cut
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(..=10_000))]
    pub(crate) cuts: u32,

    /// How many times a replica is killed with SIGKILL while a transaction is in flight
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(..=1_000))]
    pub(crate) kills: u32,

    /// Decides who sells what, when links are cut, and when replicas are killed
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,

    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,

    /// Write the merged carts to this CSV file (overwritten when present)
    #[arg(long, value_name = "OUT.csv")]
    pub(crate) dump: Option<PathBuf>,

    /// Keep the store files in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Stop at the first malformed line instead of skipping it
    #[arg(long)]
    pub(crate) strict: bool,

    /// Replay a file even if more of its lines are skipped than taken
    #[arg(long, conflicts_with = "strict")]
    pub(crate) allow_skips: bool,
}

impl ReplayArgs {
    /// Returns how malformed lines are handled.
    pub(crate) const fn malformed(&self) -> Malformed {
        match (self.strict, self.allow_skips) {
            (true, _) => Malformed::Stop,
            (false, true) => Malformed::SkipAny,
            (false, false) => Malformed::Skip,
        }
    }
}

/// Arguments of `cart conflicts`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConflictsArgs {
    /// The directory that `cart demo --dir` or `cart replay --dir` kept
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Only those of this customer's cart, or of this product
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// Only those that were found since: 2026-11-03T14:00:00Z, seconds since 1970, or an age as 2h
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) since: Option<u64>,

    /// Only those that nobody has settled
    #[arg(long)]
    pub(crate) open: bool,

    /// How many of each store are shown, the latest ones
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: NonZeroUsize,

    /// Print one JSON object for each, and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `cart history`.
#[derive(Debug, Clone, Args)]
pub(crate) struct HistoryArgs {
    /// The customer whose cart it is, or the product
    pub(crate) key: String,

    /// The directory that `cart demo --dir` or `cart replay --dir` kept
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// How many transactions of each store are shown: those that it heard of last
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: NonZeroUsize,

    /// Print one JSON object for each, and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of the child process.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplicaArgs {
    /// The store file; created when absent
    #[arg(long, value_name = "FILE")]
    pub(crate) store: PathBuf,

    /// The name of this replica in messages
    #[arg(long)]
    pub(crate) name: String,

    /// Join the spaces of these tickets, first the carts, if the store does not hold them yet
    /// (otherwise create them)
    #[arg(long, value_name = "TICKET")]
    pub(crate) join: Vec<String>,

    /// Keep a catalogue of products beside the carts
    #[arg(long)]
    pub(crate) catalogue: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn replay(line: &str) -> Result<ReplayArgs, ErrorKind> {
        let words = ["cart", "replay"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).map_err(|error| error.kind())?.task {
            Task::Replay(args) => Ok(args),
            other => panic!("not a replay: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let args = replay("").unwrap();
        assert_eq!((args.replicas, args.cuts, args.kills), (3, 20, 0));
        assert_eq!(args.seed, DEFAULT_SEED);
        assert!(args.file.is_none() && args.dump.is_none() && args.dir.is_none());
        assert!(!args.json && !args.strict);
    }

    #[test]
    fn everything_can_be_given_in_any_order() {
        let args = replay("--seed 9 --kills 4 in.csv --replicas 16 --json --dump o.csv --strict");
        let args = args.unwrap();
        assert_eq!((args.seed, args.kills, args.replicas), (9, 4, 16));
        assert_eq!(args.file, Some(PathBuf::from("in.csv")));
        assert_eq!(args.dump, Some(PathBuf::from("o.csv")));
        assert!(args.json && args.strict);
    }

    #[test]
    fn malformed_lines_stop_or_are_skipped_but_not_both() {
        let malformed = |line| replay(line).map(|args| args.malformed());
        assert_eq!(malformed(""), Ok(Malformed::Skip));
        assert_eq!(malformed("--strict"), Ok(Malformed::Stop));
        assert_eq!(malformed("--allow-skips"), Ok(Malformed::SkipAny));
        assert_eq!(malformed("--strict --allow-skips"), Err(ErrorKind::ArgumentConflict));
    }

    #[test]
    fn senseless_numbers_are_usage_errors() {
        for line in [
            "--replicas 1",
            "--replicas 17",
            "--replicas many",
            "--cuts 10001",
            "--cuts -1",
            "--kills 1001",
            "--seed 18446744073709551616",
        ] {
            let kind = replay(line).unwrap_err();
            let usage = [ErrorKind::ValueValidation, ErrorKind::UnknownArgument];
            assert!(usage.contains(&kind), "{line}: {kind:?}");
        }
    }

    #[test]
    fn what_was_kept_is_looked_at_in_a_directory() {
        let parse = |line: &str| Cli::try_parse_from(line.split_whitespace());
        let Ok(Cli { task: Task::History(args) }) = parse("cart history tea --dir d") else {
            panic!("no history")
        };
        assert_eq!((args.key.as_str(), args.limit.get(), args.json), ("tea", 20, false));
        for line in [
            "cart history --dir d",
            "cart history tea",
            "cart conflicts",
            "cart conflicts --dir d --since soon",
            "cart conflicts --dir d --limit 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_child_process_is_not_advertised() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("replay"));
        assert!(!help.contains("replica,") && !help.contains("standard input"), "{help}");
        let line = ["cart", "replica", "--store", "a.rejoin", "--name", "a"];
        assert!(matches!(Cli::try_parse_from(line).unwrap().task, Task::Replica(_)));
    }
}
