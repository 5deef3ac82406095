//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_02_kinds_on_every_read;
mod fixtures;
#[path = "../../../crdts/tests/crdts/samples.rs"]
mod samples;
mod wire;
