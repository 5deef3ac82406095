//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_03_removed_and_changed;
mod fixtures;
mod wire;
