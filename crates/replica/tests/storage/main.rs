//! What is below a store: the duties of every backend, and what is left after damage and failure.

mod conformance;
mod failures;
mod media;
mod power_loss;
mod sizes;
mod wrong;
