//! What people reported about other systems, done here with data of our own; docs/reports.md names
//! the report behind each test, and what is right.

mod removals;
mod sequences;
mod stores;
mod values;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Two stores in memory, with a copy each of one space.
type Two<T> = [(rejoin::Store, rejoin::Space<T>); 2];
