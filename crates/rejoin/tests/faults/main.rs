//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_17_long_keys;
mod fixtures;
mod wire;
