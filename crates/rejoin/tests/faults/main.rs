//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fixtures;
mod wire;
