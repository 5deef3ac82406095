//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_08_replaced_file;
mod fixtures;
mod wire;
