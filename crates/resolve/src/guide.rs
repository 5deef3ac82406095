//! The choice of a policy: what each one loses, and what surprises.

#[doc = include_str!("../guide/choosing.md")]
pub mod choosing {}
