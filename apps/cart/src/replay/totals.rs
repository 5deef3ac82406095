//! The expected contents of every cart, and the check against them.

use std::collections::BTreeMap;
use std::fmt;

use crate::failure::Advice;
use crate::replay::transactions::Transaction;

/// Quantity by customer and stock code; a line whose sales cancel out stays, with zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    quantities: BTreeMap<(String, String), i64>,
}

impl Totals {
    /// Returns the plain sum over `transactions`, without any replica.
    pub(crate) fn plain_sum(transactions: &[Transaction]) -> Totals {
        let mut totals = Totals::default();
        for transaction in transactions {
            for (stock_code, quantity) in &transaction.lines {
                totals.add(&transaction.customer_id, stock_code, *quantity);
            }
        }
        totals
    }

    /// Adds to one line of one cart.
    pub(crate) fn add(&mut self, customer_id: &str, stock_code: &str, quantity: i64) {
        let line = (customer_id.to_owned(), stock_code.to_owned());
        let total = self.quantities.entry(line).or_default();
        *total = total.saturating_add(quantity);
    }

    /// Returns the sum over all lines.
    pub(crate) fn units(&self) -> i64 {
        self.quantities.values().fold(0, |sum, quantity| sum.saturating_add(*quantity))
    }

    /// Returns customer, stock code and quantity of every line that is not zero.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &str, i64)> {
        let filled = self.quantities.iter().filter(|(_, quantity)| **quantity != 0);
        filled.map(|((customer, stock_code), quantity)| {
            (customer.as_str(), stock_code.as_str(), *quantity)
        })
    }

    /// Checks that `self`, which came out of a replica, is `expected`.
    ///
    /// # Errors
    /// [`Deviation`] with the first line that differs; a missing line counts as zero.
    pub(crate) fn check(&self, expected: &Totals) -> Result<(), Deviation> {
        let lines = self.quantities.keys().chain(expected.quantities.keys());
        let quantity = |totals: &Totals, line| totals.quantities.get(line).copied().unwrap_or(0);
        let differs = lines
            .filter(|line| quantity(self, line) != quantity(expected, line))
            .min()
            .map(|line| Deviation {
                customer_id: line.0.clone(),
                stock_code: line.1.clone(),
                expected: quantity(expected, line),
                found: quantity(self, line),
            });
        differs.map_or(Ok(()), Err)
    }
}

/// A cart line that does not hold the plain sum of its sales.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Deviation {
    customer_id: String,
    stock_code: String,
    expected: i64,
    found: i64,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deviation { customer_id, stock_code, expected, found } = self;
        write!(
            f,
            "the merged cart of customer {customer_id:?} holds {found} of {stock_code:?}, \
             but {expected} were sold"
        )
    }
}

impl std::error::Error for Deviation {}

impl Advice for Deviation {
    fn help(&self) -> String {
        "this is a bug: replay with the same --seed and a --dir to keep the stores, and report both"
            .to_owned()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The totals of some customers, stock codes and quantities.
    pub(crate) fn totals(lines: &[(&str, &str, i64)]) -> Totals {
        let mut totals = Totals::default();
        lines.iter().for_each(|(customer, stock, quantity)| totals.add(customer, stock, *quantity));
        totals
    }

    #[test]
    fn the_plain_sum_adds_every_line_with_its_sign() {
        let transaction = |customer: &str, lines: &[(&str, i64)]| Transaction {
            invoice: String::new(),
            customer_id: customer.to_owned(),
            country: String::new(),
            lines: lines.iter().map(|(stock, quantity)| ((*stock).to_owned(), *quantity)).collect(),
        };
        let sum = Totals::plain_sum(&[
            transaction("7", &[("a", 2), ("b", 1), ("a", 3)]),
            transaction("", &[("a", 4)]),
            transaction("7", &[("b", -1), ("c", -9)]),
        ]);
        assert_eq!(sum, totals(&[("7", "a", 5), ("7", "b", 0), ("7", "c", -9), ("", "a", 4)]));
        assert_eq!(sum.units(), 0);
        let rows: Vec<_> = sum.rows().collect();
        assert_eq!(rows, [("", "a", 4), ("7", "a", 5), ("7", "c", -9)]);
    }

    #[test]
    fn the_first_deviation_is_named() {
        let expected = totals(&[("7", "a", 5), ("7", "b", 0), ("8", "a", 1)]);
        assert_eq!(totals(&[("8", "a", 1), ("7", "a", 5)]).check(&expected), Ok(()));
        let lost = totals(&[("7", "a", 5)]).check(&expected).unwrap_err();
        assert!(lost.to_string().contains("\"8\" holds 0 of \"a\", but 1 were sold"), "{lost}");
        let twice = totals(&[("7", "a", 10), ("8", "a", 1)]).check(&expected).unwrap_err();
        assert_eq!((twice.expected, twice.found), (5, 10));
        let from_nowhere = totals(&[("1", "z", 1)]).check(&Totals::default()).unwrap_err();
        assert_eq!((from_nowhere.expected, from_nowhere.found), (0, 1));
    }
}
