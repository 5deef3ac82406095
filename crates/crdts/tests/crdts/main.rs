//! The worlds, the laws and the hostile bytes of rejoin-crdts.

mod dishonest;
mod exhaustive;
mod forge;
mod random;
mod types;
mod world;
