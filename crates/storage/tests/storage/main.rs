//! The layers below a store: the duties of every backend, and the state after damage and failure.

mod conformance;
mod engine_version;
mod failures;
mod media;
mod power_loss;
mod sizes;
mod wrong;
