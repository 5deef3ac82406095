//! Invoices as transactions, and the replica that sells each.

use std::collections::HashMap;

use crate::replay::invoices::Line;
use crate::replay::rng::Rng;

/// A customer buys one in this many invoices at another replica than the home.
const AWAY_EVERY: usize = 4;

/// Consecutive lines of one invoice to one customer: applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// The number of the invoice.
    pub(crate) invoice: String,
    /// The customer whose cart it changes.
    pub(crate) customer_id: String,
    /// The country where the customer lives.
    pub(crate) country: String,
    /// The additions to the cart: stock code and quantity, in the order of the invoice.
    pub(crate) lines: Vec<(String, i64)>,
}

/// Gathers lines into transactions as they come.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    transactions: Vec<Transaction>,
}

impl Gathering {
    /// Adds the next line of the file.
    pub(crate) fn push(&mut self, line: Line) {
        let change = (line.stock_code, line.quantity);
        if let Some(last) = self.transactions.last_mut()
            && last.invoice == line.invoice
            && last.customer_id == line.customer_id
        {
            last.lines.push(change);
            return;
        }
        self.transactions.push(Transaction {
            invoice: line.invoice,
            customer_id: line.customer_id,
            country: line.country,
            lines: vec![change],
        });
    }

    /// Returns the transactions, in the order of the file.
    pub(crate) fn finish(self) -> Vec<Transaction> {
        self.transactions
    }
}

/// Returns the replica of each transaction, as an index below `replicas`.
///
/// Every country has a home: the replicas are dealt out to the countries as they appear, in an
/// order that the seed decides. Every fourth invoice of a customer goes to another replica.
pub(crate) fn assign(transactions: &[Transaction], replicas: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::stream(seed, "away");
    let mut homes = Homes::new(replicas, seed);
    let mut invoices_of: HashMap<&str, usize> = HashMap::new();
    let mut pick = |transaction: &Transaction, nth: usize| match homes.of(&transaction.country) {
        home if nth.is_multiple_of(AWAY_EVERY) => (home + 1 + rng.index(replicas - 1)) % replicas,
        home => home,
    };
    let counted = transactions.iter().map(|transaction| {
        let nth = invoices_of.entry(&transaction.customer_id).or_default();
        *nth += 1;
        pick(transaction, *nth)
    });
    counted.collect()
}

/// The home replica of every country seen so far.
struct Homes {
    order: Vec<usize>,
    known: HashMap<String, usize>,
}

impl Homes {
    fn new(replicas: usize, seed: u64) -> Homes {
        let mut order: Vec<usize> = (0..replicas).collect();
        Rng::stream(seed, "homes").shuffle(&mut order);
        Homes { order, known: HashMap::new() }
    }

    fn of(&mut self, country: &str) -> usize {
        if let Some(&home) = self.known.get(country) {
            return home;
        }
        let home = self.order[self.known.len() % self.order.len()];
        self.known.insert(country.to_owned(), home);
        home
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(invoice: &str, stock_code: &str, customer: &str, country: &str) -> Line {
        Line {
            invoice: invoice.to_owned(),
            stock_code: stock_code.to_owned(),
            quantity: 1,
            customer_id: customer.to_owned(),
            country: country.to_owned(),
        }
    }

    fn gather(lines: impl IntoIterator<Item = Line>) -> Vec<Transaction> {
        let mut gathering = Gathering::default();
        lines.into_iter().for_each(|line| gathering.push(line));
        gathering.finish()
    }

    #[test]
    fn consecutive_lines_of_an_invoice_are_one_transaction() {
        let gathered = gather([
            line("1", "a", "7", "France"),
            line("1", "b", "7", "France"),
            line("1", "c", "8", "France"),
            line("2", "a", "8", "France"),
            line("1", "d", "7", "France"),
        ]);
        let shapes: Vec<_> = gathered
            .iter()
            .map(|t| (t.invoice.as_str(), t.customer_id.as_str(), t.lines.len()))
            .collect();
        assert_eq!(shapes, [("1", "7", 2), ("1", "8", 1), ("2", "8", 1), ("1", "7", 1)]);
        assert_eq!(gathered[0].lines, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    }

    #[test]
    fn countries_are_dealt_out_evenly_and_customers_stay_home_three_times_of_four() {
        let countries = ["A", "B", "C", "D", "E", "F"];
        let lines = (0..600).map(|i: usize| {
            let country = countries[i % countries.len()];
            line(&i.to_string(), "x", country, country)
        });
        let transactions = gather(lines);
        let homes = assign(&transactions, 3, 11);
        let mut countries_at = [0; 3];
        for country in countries {
            let at: Vec<usize> = (0..600).filter(|&i| transactions[i].country == country).collect();
            let home = homes[at[0]];
            countries_at[home] += 1;
            for (nth, &i) in at.iter().enumerate() {
                assert_eq!(homes[i] == home, nth % AWAY_EVERY != AWAY_EVERY - 1, "invoice {i}");
            }
        }
        assert_eq!(countries_at, [2, 2, 2]);
    }

    #[test]
    fn the_seed_decides_and_every_other_replica_is_visited() {
        let transactions = gather((0..400).map(|i: usize| line(&i.to_string(), "x", "7", "A")));
        let homes = assign(&transactions, 4, 5);
        assert_eq!(homes, assign(&transactions, 4, 5));
        assert_ne!(homes, assign(&transactions, 4, 6));
        let visits: Vec<usize> =
            (0..4).map(|r| homes.iter().filter(|&&home| home == r).count()).collect();
        assert_eq!(visits.iter().filter(|&&count| count == 300).count(), 1, "{visits:?}");
        assert!(visits.iter().all(|&count| count > 10), "{visits:?}");
    }
}
