//! Which type to take, what each does when two people act at once, and what will surprise you.

#[doc = include_str!("../guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../guide/catalogue.md")]
pub mod catalogue {}

#[doc = include_str!("../guide/anomalies.md")]
pub mod anomalies {}
