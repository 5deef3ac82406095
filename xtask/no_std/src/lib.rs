//! A program without the standard library that uses the core crates.
//!
//! `cargo xtask no-std` builds this with `--cfg rejoin_no_std`, and then it has a panic handler. A
//! program has exactly one, and `std` brings its own: if any crate below links `std`, the compiler
//! refuses this one (E0152). So the host's own target proves what would otherwise require a target
//! that has no `std`. Without the cfg this is a plain library, which the workspace can lint and
//! document.
#![no_std]

extern crate alloc;

use alloc::{string::String, vec::Vec};

use rejoin_crdts::{OrSet, Replica};
use rejoin_resolve::{Context, Policy, Resolution, ResolveError, Siblings};
use rejoin_vclock::{CounterOutOfRange, FreshId, ReplicaId, VersionVector, codec::Encode};

#[cfg(rejoin_no_std)]
#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Returns one event of a replica, as bytes.
///
/// # Errors
/// Never: the first event is always in range.
pub fn first_event(replica: ReplicaId) -> Result<Vec<u8>, CounterOutOfRange> {
    let mut seen = VersionVector::new();
    seen.increment(replica)?;
    Ok(seen.to_bytes())
}

/// Returns a set that two replicas have merged, as bytes.
#[must_use]
pub fn merged_set() -> Vec<u8> {
    let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
    let mut phone = Replica::<OrSet<String>>::new(id(1));
    let laptop = phone.fork(id(2));
    phone.merge(&laptop);
    phone.save()
}

/// Returns the answer to siblings.
///
/// # Errors
/// Never: the policy is one that every program knows.
pub fn resolved() -> Result<Resolution, ResolveError> {
    let id = FreshId::assume_fresh(ReplicaId::from_u128(1));
    let title = Replica::<Siblings<String>>::new(id);
    title.read(|title| title.resolve(&Policy::LastWriterWins, &Context::default()))
}
