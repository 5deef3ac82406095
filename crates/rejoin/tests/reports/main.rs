//! What people reported about other systems, done here with data of our own; docs/reports.md names
//! the report behind each test, and what is right.

mod removals;
mod sequences;
mod stores;
mod values;

type Outcome = Result<(), Box<dyn std::error::Error>>;
