//! `cart replay`: real invoices through replicas that are cut off from each other and killed.
//!
//! The driver sells the transactions in order, each at its replica, with at most [`WINDOW`] in
//! flight per replica. A transaction counts as acknowledged when the driver holds its receipt.
//! After a kill, transactions that were in flight are sent again under the same idempotency key,
//! until there is a receipt.
//!
//! - [`intake`]: the invoices, from a file ([`invoices`], a line each, out of CSV [`records`]) or
//!   made up ([`synthetic`]); gathered into [`transactions`], each for one replica.
//! - [`schedule`]: when links are cut and replicas killed, thrown from the seed ([`rng`]).
//! - [`totals`]: the plain sum over the file, which the carts must equal; [`dump`] writes it.
//! - [`mod@report`] and [`progress`]: what a person sees.

mod dump;
pub(crate) mod intake;
mod invoices;
mod progress;
mod records;
mod report;
mod rng;
mod schedule;
mod synthetic;
mod totals;
mod transactions;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use crate::args::ReplayArgs;
use crate::driver::child_error::ChildError;
use crate::driver::child_protocol::{Command, Edit, Reply};
use crate::driver::cluster::{Cluster, Seat};
use crate::driver::conversation::{Outcome, Posted};
use crate::driver::workspace_dir::WorkspaceDir;
use crate::failure::{Advice, Failure};
use crate::replay::dump::Dump;
use crate::replay::intake::Intake;
use crate::replay::progress::Progress;
use crate::replay::report::{Report, ratio};
use crate::replay::schedule::{Event, Schedule};
use crate::replay::totals::Totals;
use crate::replay::transactions::{Transaction, assign};

/// Maximum number of transactions in flight at one replica.
const WINDOW: usize = 8;

/// Maximum time without any news between healed replicas, after which they are given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replays the invoices, prints the report, and fails unless everything came together.
///
/// # Errors
/// Any error, with advice on what to do next.
pub(crate) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let dump = match &args.dump {
        Some(path) => Some(Dump::prepare(path, args.file.as_deref())?),
        None => None,
    };
    let intake = match &args.file {
        Some(path) => Intake::read(path, args.malformed())?,
        None => Intake::make_up(args.seed, synthetic::INVOICES),
    };
    intake.skips.told().iter().for_each(|line| eprintln!("warning: {line}"));
    let plan = Plan::new(args, &intake);
    let end = plan.carry_out(args, &intake).await?;
    let converged = end.converged();
    let deviation = end.totals.check(&Totals::plain_sum(&intake.transactions));
    let report = report(&plan, &intake, &end, started.elapsed());
    if let Some(dump) = dump.filter(|_| converged) {
        dump.write(&end.totals)?;
    }
    print(&if args.json { report.to_json() } else { report.to_string() });
    if !converged {
        return Err(NotConverged { digests: report.digests }.into());
    }
    Ok(deviation?)
}

/// Prints a line. An error is ignored: whoever closed standard output has seen enough.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Who sells what, and the events in between.
struct Plan {
    replicas: usize,
    sellers: Vec<usize>,
    schedule: Schedule,
}

impl Plan {
    fn new(args: &ReplayArgs, intake: &Intake) -> Plan {
        let replicas = usize::from(args.replicas);
        let [cuts, kills] = [args.cuts, args.kills].map(|n| usize::try_from(n).unwrap_or(0));
        let sellers = assign(&intake.transactions, replicas, args.seed);
        let schedule = Schedule::plan(&sellers, replicas, cuts, kills, args.seed);
        eprintln!(
            "seed {}: {} transactions over {replicas} replicas, {} cuts, {} kills",
            args.seed,
            sellers.len(),
            schedule.cuts,
            schedule.kills
        );
        if schedule.cuts < cuts || schedule.kills < kills {
            eprintln!("warning: more cuts or kills do not fit into so few transactions");
        }
        Plan { replicas, sellers, schedule }
    }

    async fn carry_out(&self, args: &ReplayArgs, intake: &Intake) -> Result<End, Failure> {
        let workspace = WorkspaceDir::open(args.dir.as_deref())?;
        let progress = Progress::new(self.sellers.len());
        progress.phase("starting");
        let names: Vec<String> = (1..=self.replicas).map(|n| format!("r{n}")).collect();
        let program = std::env::current_exe().map_err(NoProgram)?;
        let mut cluster = Cluster::start(program, &workspace, &names, false).await?;
        progress.phase("selling");
        let tally = self.sell(&mut cluster, &intake.transactions, &progress).await?;
        progress.phase("rejoining");
        let same_vectors = cluster.converge(PATIENCE).await?;
        progress.phase("comparing");
        let (bytes_synced, bytes_dropped) = (cluster.bytes_synced(), cluster.bytes_dropped());
        let bytes_encoded = cluster.encoded_bytes(0).await?;
        let (carts, totals) = merged(&cluster).await?;
        let digests = cluster.close().await?;
        Ok(End {
            tally,
            same_vectors,
            carts,
            totals,
            digests,
            bytes_synced,
            bytes_dropped,
            bytes_encoded,
        })
    }

    /// Sells all transactions on schedule, and waits for their receipts.
    async fn sell(
        &self,
        cluster: &mut Cluster,
        transactions: &[Transaction],
        progress: &Progress,
    ) -> Result<Tally, ChildError> {
        let windows: Vec<_> =
            (0..self.replicas).map(|_| Arc::new(Semaphore::new(WINDOW))).collect();
        let mut sales = JoinSet::new();
        let mut tally = Tally::default();
        for (index, transaction) in transactions.iter().enumerate() {
            let kill = self.strike(cluster, index);
            let seller = self.sellers[index];
            let command = sale(index, transaction);
            let permit = Arc::clone(&windows[seller]).acquire_owned().await;
            let posted = match kill {
                Some(delay) => cluster.kill_in_flight(seller, command.clone(), delay).await?,
                None => cluster.seat(seller).post(command.clone()).await,
            };
            sales.spawn(await_receipt(
                Arc::clone(cluster.seat(seller)),
                command,
                posted,
                permit.ok(),
            ));
            while let Some(sold) = sales.try_join_next() {
                tally.add(sold, progress)?;
            }
        }
        self.strike(cluster, transactions.len());
        while let Some(sold) = sales.join_next().await {
            tally.add(sold, progress)?;
        }
        Ok(tally)
    }

    /// Cuts and heals what is due before transaction `index`; returns the delay of the kill that is
    /// due with it.
    fn strike(&self, cluster: &Cluster, index: usize) -> Option<Duration> {
        let mut kill = None;
        for event in self.schedule.before(index) {
            match event {
                Event::Heal(links) => cluster.heal(links),
                Event::Cut(links) => cluster.cut(links),
                Event::Kill { delay } => kill = Some(*delay),
            }
        }
        kill
    }
}

/// Returns the command that sells a transaction. Its index is its idempotency key.
fn sale(index: usize, transaction: &Transaction) -> Command {
    let add = |(stock_code, quantity): &(String, i64)| Edit::Add(stock_code.clone(), *quantity);
    Command::Transact {
        key: Some(index.to_string()),
        author: None,
        customer: transaction.customer_id.clone(),
        edits: transaction.lines.iter().map(add).collect(),
    }
}

/// Waits for the receipt of one transaction; sends it again after every unknown outcome.
async fn await_receipt(
    seat: Arc<Seat>,
    command: Command,
    mut posted: Posted,
    _permit: Option<OwnedSemaphorePermit>,
) -> Result<Sold, ChildError> {
    let mut unknown = 0;
    loop {
        match seat.outcome(posted).await? {
            Outcome::Answered(Reply::Receipt { repeated, durable: true, .. }) => {
                return Ok(Sold { unknown, repeated });
            }
            Outcome::Answered(other) => return Err(seat.astray(other)),
            Outcome::Unknown => {
                unknown += 1;
                posted = seat.post(command.clone()).await;
            }
        }
    }
}

/// A transaction with its receipt.
struct Sold {
    /// The number of times that its outcome was unknown before.
    unknown: u64,
    /// The receipt is that of an earlier attempt.
    repeated: bool,
}

/// The driver's counts.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    unknown_outcomes: u64,
    deduplicated: u64,
}

impl Tally {
    fn add(
        &mut self,
        sold: Result<Result<Sold, ChildError>, JoinError>,
        progress: &Progress,
    ) -> Result<(), ChildError> {
        let sold = sold.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        self.acknowledged += 1;
        self.unknown_outcomes += sold.unknown;
        self.deduplicated += u64::from(sold.repeated);
        progress.advance();
        Ok(())
    }
}

/// The state at the end of the replay.
struct End {
    tally: Tally,
    same_vectors: bool,
    carts: u64,
    totals: Totals,
    digests: Vec<String>,
    bytes_synced: u64,
    bytes_dropped: u64,
    bytes_encoded: u64,
}

impl End {
    fn converged(&self) -> bool {
        self.same_vectors && self.digests.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// Returns the number of carts that the first replica holds, and their contents.
async fn merged(cluster: &Cluster) -> Result<(u64, Totals), ChildError> {
    let carts = cluster.carts(0).await?;
    let mut totals = Totals::default();
    for (customer, cart) in &carts {
        for (stock_code, quantity) in &cart.lines {
            totals.add(customer, stock_code, *quantity);
        }
    }
    Ok((carts.len() as u64, totals))
}

fn report(plan: &Plan, intake: &Intake, end: &End, elapsed: Duration) -> Report {
    let thousandths = |figure: f64| (figure * 1_000.0).round() / 1_000.0;
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    Report {
        lines: intake.lines,
        skipped: intake.skips.lines(),
        transactions: intake.transactions.len() as u64,
        carts: end.carts,
        units: end.totals.units(),
        replicas: plan.replicas as u64,
        cuts: plan.schedule.cuts as u64,
        kills: plan.schedule.kills as u64,
        acknowledged: end.tally.acknowledged,
        unknown_outcomes: end.tally.unknown_outcomes,
        deduplicated: end.tally.deduplicated,
        converged: end.converged(),
        digests: end.digests.clone(),
        seconds: ratio(millis, 1_000),
        lines_per_second: thousandths(1_000.0 * ratio(intake.lines, millis)),
        bytes_synced: end.bytes_synced,
        bytes_dropped: end.bytes_dropped,
        bytes_ideal: end.bytes_encoded * (plan.replicas as u64 - 1),
        bytes_per_line: thousandths(ratio(end.bytes_encoded, intake.lines)),
    }
}

/// The replicas hold different states although every link is whole.
#[derive(Debug)]
#[non_exhaustive]
struct NotConverged {
    digests: Vec<String>,
}

impl fmt::Display for NotConverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replicas have not converged: their digests are {}", self.digests.join(", "))
    }
}

impl std::error::Error for NotConverged {}

impl Advice for NotConverged {
    fn help(&self) -> String {
        "this is a bug: replay with the same --seed and a --dir to keep the stores, and report both"
            .to_owned()
    }
}

/// The path of this program is unknown.
#[derive(Debug)]
struct NoProgram(std::io::Error);

impl fmt::Display for NoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this program cannot find itself to start its replicas")
    }
}

impl std::error::Error for NoProgram {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Advice for NoProgram {
    fn help(&self) -> String {
        "run it from where it was built or installed".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::child_protocol::Answer;
    use crate::driver::conversation::tests::conversation;

    fn receipt(repeated: bool) -> Answer {
        Answer::Ok(Reply::Receipt { repeated, durable: true, receipt: String::new() })
    }

    #[tokio::test]
    async fn an_unknown_outcome_is_sent_again_under_its_key_until_there_is_a_receipt() {
        let (seat, command) = (Arc::new(Seat::vacant("r1")), Command::Digest);
        let (first, mut killed) = conversation();
        let posted = first.post(command.clone()).await;
        let mut settled =
            tokio::spawn(await_receipt(Arc::clone(&seat), command.clone(), posted, None));
        let id = killed.request().await.id;
        first.stop_listening();
        killed.answer(id, receipt(false)).await;
        drop(killed);
        let (second, mut restarted) = conversation();
        seat.fill(Arc::new(second));
        let request = tokio::select! {
            request = restarted.request() => request,
            _ = &mut settled => panic!("settled without a receipt"),
        };
        assert_eq!(request.command, command);
        restarted.answer(request.id, receipt(true)).await;
        let sold = settled.await.unwrap().unwrap();
        assert_eq!((sold.unknown, sold.repeated), (1, true));
    }

    #[tokio::test]
    async fn a_receipt_that_is_not_durable_is_none() {
        let seat = Arc::new(Seat::vacant("r1"));
        let (driver, mut child) = conversation();
        let posted = driver.post(Command::Digest).await;
        let id = child.request().await.id;
        let receipt = String::new();
        let answer = Answer::Ok(Reply::Receipt { repeated: false, durable: false, receipt });
        child.answer(id, answer).await;
        assert!(await_receipt(seat, Command::Digest, posted, None).await.is_err());
    }

    #[test]
    fn every_line_is_sold_with_its_sign_under_the_key_of_its_transaction() {
        let transaction = Transaction {
            invoice: "C1".to_owned(),
            customer_id: "7".to_owned(),
            country: "France".to_owned(),
            lines: vec![("a".to_owned(), -2), ("a".to_owned(), 5)],
        };
        let edits = vec![Edit::Add("a".to_owned(), -2), Edit::Add("a".to_owned(), 5)];
        let (key, customer) = (Some("81".to_owned()), "7".to_owned());
        let command = Command::Transact { key, author: None, customer, edits };
        assert_eq!(sale(81, &transaction), command);
    }
}
