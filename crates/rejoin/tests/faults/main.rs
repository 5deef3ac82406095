//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_04_clock_right_again;
mod fault_07_same_order_after_restore;
mod fixtures;
mod wire;
