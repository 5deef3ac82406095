//! Jobs that people do, and that went wrong once: each fault is a file, named after what happened.

mod fault_12_restarts_cost_one;
mod fault_19_counted_once;
mod fault_20_no_false_alarm;
mod fixtures;
mod rolled_back;
mod wire;
