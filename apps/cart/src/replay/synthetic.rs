//! A made-up invoice stream, for a replay without a file.
//!
//! Few products and customers make most of the sales (Zipf), one country dominates, some sales are
//! cancelled and some have no customer, as in a real shop. All of it follows from the seed.

use std::collections::VecDeque;

use crate::replay::invoices::Line;
use crate::replay::rng::Rng;

/// The number of invoices of a replay without a file.
pub(crate) const INVOICES: usize = 4_000;

const PRODUCTS: u64 = 2_000;
const CUSTOMERS: u64 = 1_200;

/// In percent of all invoices.
const CANCELLATIONS: u64 = 2;
const WITHOUT_CUSTOMER: u64 = 15;
const IN_FIRST_COUNTRY: u64 = 80;

const COUNTRIES: [&str; 20] = [
    "United Kingdom",
    "Germany",
    "France",
    "Ireland",
    "Spain",
    "Belgium",
    "Netherlands",
    "Switzerland",
    "Portugal",
    "Italy",
    "Norway",
    "Austria",
    "Finland",
    "Denmark",
    "Sweden",
    "Poland",
    "Japan",
    "Australia",
    "Canada",
    "Iceland",
];

/// The lines of a made-up shop, one at a time.
#[derive(Debug)]
pub(crate) struct Synthetic {
    rng: Rng,
    products: Zipf,
    customers: Zipf,
    next_invoice: usize,
    end: usize,
    lines: VecDeque<Line>,
}

impl Synthetic {
    /// Makes up `invoices` invoices.
    pub(crate) fn new(seed: u64, invoices: usize) -> Synthetic {
        Synthetic {
            rng: Rng::stream(seed, "invoices"),
            products: Zipf::new(PRODUCTS),
            customers: Zipf::new(CUSTOMERS),
            next_invoice: 500_000,
            end: 500_000 + invoices,
            lines: VecDeque::new(),
        }
    }

    fn write_invoice(&mut self) {
        let cancelled = self.rng.percent(CANCELLATIONS);
        let prefix = if cancelled { "C" } else { "" };
        let invoice = format!("{prefix}{}", self.next_invoice);
        self.next_invoice += 1;
        let (customer_id, country) = self.customer();
        for _ in 0..1 + self.rng.below(5) {
            let quantity = i64::try_from(1 + self.rng.below(24)).unwrap_or(1);
            self.lines.push_back(Line {
                invoice: invoice.clone(),
                stock_code: (20_000 + self.products.draw(&mut self.rng)).to_string(),
                quantity: if cancelled { -quantity } else { quantity },
                customer_id: customer_id.clone(),
                country: country.to_owned(),
            });
        }
    }

    /// Draws a customer, whose country follows from the number; or no customer, from anywhere.
    fn customer(&mut self) -> (String, &'static str) {
        if self.rng.percent(WITHOUT_CUSTOMER) {
            return (String::new(), country(self.rng.next()));
        }
        let number = self.customers.draw(&mut self.rng);
        let lives = Rng::stream(number, "country").next();
        ((10_000 + number).to_string(), country(lives))
    }
}

impl Iterator for Synthetic {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.lines.is_empty() && self.next_invoice < self.end {
            self.write_invoice();
        }
        self.lines.pop_front()
    }
}

/// Draws the first country most of the time, otherwise any of the others.
fn country(lot: u64) -> &'static str {
    let mut rng = Rng::stream(lot, "country");
    let [first, others @ ..] = COUNTRIES;
    if rng.percent(IN_FIRST_COUNTRY) { first } else { others[rng.index(others.len())] }
}

/// Ranks from 0, each drawn with a weight of 1 / (rank + 1); whole numbers, so no machine differs.
#[derive(Debug)]
struct Zipf {
    /// The sum of the weights up to and including each rank.
    sums: Vec<u64>,
}

impl Zipf {
    fn new(ranks: u64) -> Zipf {
        let mut sum = 0;
        let weights = (1..=ranks).map(|divisor| 1_000_000_000 / divisor);
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        Zipf { sums: sums.collect() }
    }

    fn draw(&self, rng: &mut Rng) -> u64 {
        let lot = rng.below(self.sums.last().copied().unwrap_or(0));
        self.sums.partition_point(|&sum| sum <= lot) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn share(part: usize, whole: usize) -> usize {
        100 * part / whole
    }

    #[test]
    fn the_stream_follows_from_the_seed() {
        let stream = |seed| Synthetic::new(seed, 50).collect::<Vec<Line>>();
        assert_eq!(stream(1), stream(1));
        assert_ne!(stream(1), stream(2));
    }

    #[test]
    fn a_longer_stream_begins_with_the_shorter_one() {
        let short: Vec<Line> = Synthetic::new(1, 20).collect();
        let long: Vec<Line> = Synthetic::new(1, 40).collect();
        assert_eq!(short, long[..short.len()]);
    }

    #[test]
    fn it_looks_like_a_shop() {
        let lines: Vec<Line> = Synthetic::new(7, INVOICES).collect();
        let count =
            |test: fn(&Line) -> bool| share(lines.iter().filter(|l| test(l)).count(), lines.len());
        assert!((10_000..14_000).contains(&lines.len()), "{}", lines.len());
        assert!((1..=4).contains(&count(|line| line.quantity < 0)));
        assert!((11..=19).contains(&count(|line| line.customer_id.is_empty())));
        assert!((65..=92).contains(&count(|line| line.country == COUNTRIES[0])));
        assert!(lines.iter().all(|line| line.invoice.starts_with('C') == (line.quantity < 0)));
    }

    #[test]
    fn few_products_make_most_sales_and_every_country_buys() {
        let lines: Vec<Line> = Synthetic::new(7, INVOICES).collect();
        let mut sold: BTreeMap<&str, usize> = BTreeMap::new();
        let mut bought: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &lines {
            *sold.entry(&line.stock_code).or_default() += 1;
            *bought.entry(&line.country).or_default() += 1;
        }
        let mut counts: Vec<usize> = sold.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: usize = counts.iter().take(100).sum();
        assert!(share(top, lines.len()) > 50, "{top} of {}", lines.len());
        assert_eq!(bought.len(), COUNTRIES.len());
    }

    #[test]
    fn a_customer_stays_in_one_country() {
        let mut homes: BTreeMap<String, String> = BTreeMap::new();
        for line in Synthetic::new(3, 500).filter(|line| !line.customer_id.is_empty()) {
            let home = homes.entry(line.customer_id).or_insert_with(|| line.country.clone());
            assert_eq!(*home, line.country);
        }
    }
}
