//! What fingerprints cost: what changed, and not what it changed in.
