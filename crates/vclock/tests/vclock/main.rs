//! The laws, the small worlds and the hostile bytes of rejoin-vclock.
//!
//! | module | what it checks |
//! |---|---|
//! | `version_vector`, `dot_set` | naive oracles, join laws, every small world, `validate()` |
//! | `dotted_version_vector` | a naive set of writes, small worlds, schedules that broke other
//! systems |
//! | `codec` | canonical both ways; hostile bytes neither panic nor allocate |
//! | `golden` | the exact bytes of this format version |
//! | `hybrid` | the skew rule, carry, monotone ticks |
//! | `identity` | ids and dots: text, order, range |
//! | `with_serde`, `with_uuid` | the features |

mod codec;
mod dot_set;
mod dotted_version_vector;
mod golden;
mod hybrid;
mod identity;
mod strategies;
mod version_vector;
#[cfg(feature = "serde")]
mod with_serde;
#[cfg(feature = "uuid")]
mod with_uuid;
