//! Where a store has its time from.

use std::fmt;

use crate::core::Now;

/// The source of a store's time.
pub trait Time: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Now;
}
