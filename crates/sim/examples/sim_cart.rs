//! An application under the simulator: carts and a stock, 100 seeds.
//!
//! The promises of a shop, whatever goes wrong: an acknowledged addition to a cart is in it in the
//! end; a quantity is the sum of the requests; stock is never sold twice.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;

use rejoin_crdts::{BoundedCounter, EditError, OrMap, PnCounter, ReadError};
use rejoin_sim::{
    Application, Broken, Checked, Options, Rng, Simulation, Snapshot, Transaction, shrink, sweep,
};

/// Quantities by product.
type Cart = OrMap<String, PnCounter>;

const CUSTOMERS: [&str; 3] = ["alice", "bob", "carol"];
const PRODUCTS: [&str; 4] = ["apples", "bread", "milk", "pears"];

/// A request of a user of the shop.
#[derive(Clone, Debug)]
enum Request {
    /// Some of a product is put into a cart.
    Put { customer: &'static str, product: &'static str, quantity: i64 },
    /// Goods arrive at a branch.
    Deliver { units: u64 },
    /// Units are sold out of what the branch holds.
    Sell { units: u64 },
    /// A branch lets another one sell some of what it holds.
    Pass { units: u64, to: usize },
}

/// The shop, which keeps no records of its own.
#[derive(Debug)]
struct Shop;

impl Application for Shop {
    type Request = Request;

    fn request(&self, rng: &mut Rng) -> Request {
        let units = rng.within(1..=5);
        match rng.below(10) {
            0 => Request::Deliver { units: 2 * units },
            1 | 2 => Request::Pass { units, to: rng.index(5) },
            3 | 4 => Request::Sell { units },
            _ => Request::Put {
                customer: rng.pick::<&str>(&CUSTOMERS),
                product: rng.pick::<&str>(&PRODUCTS),
                quantity: units.cast_signed(),
            },
        }
    }

    fn apply(&self, request: &Request, transaction: &mut Transaction<'_>) -> Result<(), EditError> {
        match *request {
            Request::Put { customer, product, quantity } => {
                transaction.object::<Cart>(customer).entry(product).add(quantity)
            }
            Request::Deliver { units } => transaction.object::<BoundedCounter>("stock").add(units),
            Request::Sell { units } => transaction.object::<BoundedCounter>("stock").spend(units),
            Request::Pass { units, to } => {
                let replicas = transaction.replicas();
                let to = replicas[to % replicas.len()];
                transaction.object::<BoundedCounter>("stock").transfer(units, to)
            }
        }
    }

    fn refused(&self, request: &Request, error: &EditError) -> Checked {
        match (request, error) {
            // A branch that has nothing to sell may refuse: that is the promise, not a failure.
            (
                Request::Sell { .. } | Request::Pass { .. },
                EditError::NotEnoughRights { needed, held, .. },
            ) if held < needed => Ok(()),
            _ => Err(Broken::new("service", format!("{request:?} is refused: {error}"))),
        }
    }

    /// Checks that a cart shows the sum of the requests that its branch has heard of, at any
    /// moment.
    fn check(&mut self, snapshot: &Snapshot<'_, Request>) -> Checked {
        let mut asked: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for committed in snapshot.applied() {
            if let Request::Put { customer, product, quantity } = *committed.request {
                *asked.entry((customer, product)).or_default() += quantity;
            }
        }
        for customer in CUSTOMERS {
            let cart = snapshot.object::<Cart>(customer);
            for product in PRODUCTS {
                let shown = cart.at(product).value().map_err(unreadable)?;
                let sum = asked.get(&(customer, product)).copied().unwrap_or(0);
                if shown != sum {
                    let what = format!("{customer} has {shown} {product} and asked for {sum}");
                    return Err(Broken::new("cart", what));
                }
            }
        }
        never_oversold(snapshot)
    }

    /// Checks that in the end every branch has heard of everything that was acknowledged.
    fn check_end(&mut self, snapshot: &Snapshot<'_, Request>) -> Checked {
        let (here, acknowledged) = (snapshot.version_vector(), |c: &_| snapshot.is_acknowledged(c));
        let mut promised = snapshot.happened().filter(|&committed| acknowledged(committed));
        if let Some(lost) = promised.find(|lost| here.get(lost.origin) < lost.last) {
            return Err(Broken::new("cart", format!("{:?} is lost", lost.request)));
        }
        self.check(snapshot)
    }
}

/// Checks that all branches together sell no more than was delivered, whoever knows of it yet.
fn never_oversold(snapshot: &Snapshot<'_, Request>) -> Checked {
    let (mut delivered, mut sold) = (0, 0);
    for committed in snapshot.happened() {
        match *committed.request {
            Request::Deliver { units } => delivered += units,
            Request::Sell { units } => sold += units,
            Request::Put { .. } | Request::Pass { .. } => {}
        }
    }
    // A branch that was put back from a copy without noticing may have sold the same units again.
    if sold > delivered && !snapshot.was_fooled() {
        return Err(Broken::new("stock", format!("of {delivered} units {sold} are sold")));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: ReadError) -> Broken {
    Broken::new("cart", format!("a cart cannot be read: {error}"))
}

fn main() -> ExitCode {
    let shop = |seed| Simulation::with_application(seed, Options::lasting(120_000), Shop);
    let sweep = sweep(0..100, shop, |_| ControlFlow::Continue(()));
    if let Some(violation) = sweep.violation {
        let seed = violation.seed;
        println!("{}", shrink(violation, 200, || shop(seed)));
        return ExitCode::FAILURE;
    }
    println!("{}", sweep.summary);
    println!("the carts and the stock are right in {} seeds", sweep.summary.seeds());
    ExitCode::SUCCESS
}
