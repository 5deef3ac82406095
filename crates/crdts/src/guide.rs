//! The choice of a type, the outcome when two people act at once, and the surprises.

#[doc = include_str!("../guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../guide/catalogue.md")]
pub mod catalogue {}

#[doc = include_str!("../guide/anomalies.md")]
pub mod anomalies {}
