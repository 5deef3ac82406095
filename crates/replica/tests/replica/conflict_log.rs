//! The conflict log against books that are kept beside it: whatever is asked, after restarts, and
//! with old records gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use rejoin::prelude::*;
use rejoin_crdts::{Dot, Path, Rule, VersionVector};
use rejoin_replica::{Config, Conflict, Time};

use crate::chance::Chance;
use crate::identity::sync;
use crate::medium::{Clock, Medium};

#[derive(Crdt)]
struct Product {
    price: Siblings<u64>,
    note: LwwRegister<String>,
    lines: OrMap<String, PnCounter>,
    tags: RwSet<String>,
}

type Products = Space<Product>;

/// A record as the books have it.
#[derive(Clone, Debug)]
struct Told {
    path: Path,
    rule: Rule,
    dots: Vec<Dot>,
    at: u64,
    by: Dot,
    is_open: bool,
}

/// One replica, and the books about it.
struct Site {
    medium: Arc<Medium>,
    clock: Arc<Clock>,
    space: Products,
    watch: Watch,
    told: Vec<Told>,
}

/// What each transaction's author had applied before it, by its last dot.
type Known = BTreeMap<Dot, VersionVector>;

fn config(most: usize) -> Config {
    let mut config = Config::default();
    config.conflicts = most;
    config
}

fn open(medium: &Arc<Medium>, clock: &Arc<Clock>, config: Config) -> Store {
    let (storage, time) = (Arc::clone(medium), Arc::clone(clock));
    Store::with_storage(storage, config, time).expect("a store")
}

impl Site {
    fn new(space: Products, medium: Arc<Medium>, clock: Arc<Clock>) -> Self {
        let watch = space.watch().expect("a watch");
        Self { medium, clock, space, watch, told: Vec::new() }
    }

    /// Opens what is left of it after a crash.
    fn restart(&mut self, config: Config) {
        self.space.flush().expect("durable");
        self.medium = self.medium.after_power_loss();
        let store = open(&self.medium, &self.clock, config);
        self.space = store.open_space("products").expect("the space");
        self.watch = self.space.watch().expect("a watch");
    }

    fn change(&mut self, chance: &mut Chance, known: &mut Known) {
        let before = self.space.version_vector().expect("readable");
        let key = *chance.pick(&["tent", "rope", "map"]);
        let number = chance.below(100);
        let receipt = self.space.transact(|tx| {
            let mut product = tx.object(key);
            match chance.below(8) {
                0 => product.price().set(number),
                1 | 2 => product.note().set(format!("note {number}")),
                3 => product.lines().entry("apples").add(1),
                4 => product.lines().entry("pears").add(1),
                5 => product.lines().remove("apples"),
                6 => product.tags().insert("new"),
                _ => product.tags().remove("new"),
            }
        });
        let receipt = receipt.expect("a transaction").receipt;
        if receipt.last() > before.get(receipt.origin()) {
            known.insert(Dot::new(receipt.origin(), receipt.last()).expect("a dot"), before);
        }
    }

    /// Writes down what has come since.
    fn write_down(&mut self, known: &Known) {
        while let Some(change) = self.watch.try_next().expect("no lag") {
            let by = Dot::new(change.origin, change.last).expect("a dot");
            for edit in change.edits() {
                let place = edit.path.as_bytes();
                let is_removal = edit.action == Action::Removed;
                let reaches = |path: &Path| match is_removal {
                    true => path.as_bytes().starts_with(&place[..place.len() - 1]),
                    false => path.as_bytes() == place,
                };
                let knew = |dot: &Dot| {
                    known[&by].get(dot.replica()) >= dot.counter()
                        || dot.replica() == by.replica() && dot.counter() < change.first
                };
                let told = self.told.iter_mut().filter(|it| it.is_open && reaches(&it.path));
                told.filter(|it| it.dots.iter().all(knew)).for_each(|it| it.is_open = false);
            }
            for decided in &change.decisions {
                let sides = decided.kept.iter().chain(&decided.overridden);
                self.told.push(Told {
                    path: decided.path.clone(),
                    rule: decided.rule,
                    dots: sides.map(|side| side.dot).collect(),
                    at: self.clock.now().wall,
                    by: decided.by,
                    is_open: true,
                });
            }
        }
    }

    /// Asks something, in pages, and compares the answer with the books.
    fn ask(&self, chance: &mut Chance, most: usize) {
        let all = self.space.conflicts();
        let forgotten = usize::try_from(all.forgotten().expect("readable")).expect("few");
        let kept = &self.told[forgotten..];
        assert!(kept.len() <= most && (self.told.len() <= most || kept.len() >= most * 6 / 8 - 2));
        let mut expected: Vec<&Told> = kept.iter().collect();
        let mut query = all;
        if chance.percent(50) {
            let key = *chance.pick(&["tent", "rope", "map", "none"]);
            query = query.of(key);
            expected.retain(|told| told.path.object_key().as_deref() == Some(key));
        }
        if chance.percent(30)
            && let Some(one) = self.told.last()
        {
            let replica = one.by.replica();
            query = query.with(replica);
            expected.retain(|told| told.dots.iter().any(|dot| dot.replica() == replica));
        }
        if chance.percent(30) {
            let rule =
                *chance.pick(&[Rule::LastWriterWins, Rule::EveryChangeCounts, Rule::AddWins]);
            query = query.by_rule(rule);
            expected.retain(|told| told.rule == rule);
        }
        match chance.below(3) {
            0 => {
                query = query.open();
                expected.retain(|told| told.is_open);
            }
            1 => {
                query = query.settled();
                expected.retain(|told| !told.is_open);
            }
            _ => {}
        }
        if chance.percent(30) {
            let now = self.clock.now().wall;
            let (from, to) = (now - chance.below(20_000), now - chance.below(10_000));
            query = query.found_in(from..to);
            expected.retain(|told| (from..to).contains(&told.at));
        }
        if chance.percent(50) {
            query = query.oldest_first();
        } else {
            expected.reverse();
        }
        let (mut found, size) = (Vec::new(), 1 + chance.index(5));
        loop {
            let page = query.page(size).expect("a page");
            assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            query = query.after(last);
            found.extend(page);
        }
        let told = |it: &Conflict| {
            (it.path.clone(), it.rule, it.at, it.by, it.is_open(), it.versions().count())
        };
        let books =
            |it: &&Told| (it.path.clone(), it.rule, it.at, it.by, it.is_open, it.dots.len());
        let found: Vec<_> = found.iter().map(told).collect();
        assert_eq!(found, expected.iter().map(books).collect::<Vec<_>>());
    }
}

fn sites(most: usize) -> [Site; 3] {
    let media = [(); 3].map(|()| Medium::new());
    let clocks = [(); 3].map(|()| Arc::new(Clock::default()));
    let stores: Vec<Store> = media
        .iter()
        .zip(&clocks)
        .map(|(medium, clock)| open(medium, clock, config(most)))
        .collect();
    let first: Products = stores[0].create_space("products").expect("a first space");
    let ticket = first.ticket().clone();
    let mut spaces = vec![first];
    for store in &stores[1..] {
        spaces.push(store.join_space("products", &ticket).expect("joined"));
    }
    let mut media = media.into_iter().zip(clocks);
    let mut next = |space| {
        let (medium, clock) = media.next().expect("three");
        Site::new(space, medium, clock)
    };
    let mut spaces = spaces.into_iter();
    std::array::from_fn(|_| next(spaces.next().expect("three")))
}

fn history(seed: u64, most: usize, steps: usize) {
    let mut chance = Chance::new(seed);
    let (mut sites, mut known) = (sites(most), Known::new());
    sites[0].space.set_policy(&"*/price".parse().unwrap(), &Policy::Max).expect("a policy");
    for pair in [[0, 1], [1, 2]] {
        sync(&sites[pair[0]].space.link(), &sites[pair[1]].space.link());
    }
    for site in &mut sites {
        site.watch = site.space.watch().expect("a watch");
    }
    for _ in 0..steps {
        let at = chance.index(3);
        match chance.below(10) {
            0..6 => sites[at].change(&mut chance, &mut known),
            6..8 => sync(&sites[at].space.link(), &sites[(at + 1) % 3].space.link()),
            8 => sites[at].ask(&mut chance, most),
            _ if chance.percent(20) => sites[at].restart(config(most)),
            _ => {}
        }
        sites.iter_mut().for_each(|site| {
            site.write_down(&known);
            site.clock.pass(1 + at as u64 * 100);
        });
    }
    assert!(sites.iter().any(|site| site.told.len() > most), "too few to forget any");
}

#[test]
fn every_question_is_answered_as_the_books_say() {
    for seed in 0..12 {
        history(seed, 40, 600);
    }
    // Segments of one record, and of many.
    history(100, 3, 200);
    history(101, 300, 3_000);
}
