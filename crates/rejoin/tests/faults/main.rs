//! Real tasks that went wrong once: each fault is a file, named after what happened.

mod fault_02_kinds_on_every_read;
mod fault_03_removed_and_changed;
mod fault_04_clock_right_again;
mod fault_07_same_order_after_restore;
mod fault_08_replaced_file;
mod fault_11_large_values;
mod fault_12_restarts_cost_one;
mod fault_13_queue_in_a_list;
mod fault_15_spaces_as_things;
mod fault_17_long_keys;
mod fault_19_counted_once;
mod fault_20_no_false_alarm;
mod fault_22_many_ids;
mod fault_25_errors;
mod fixtures;
mod rolled_back;
#[path = "../../../crdts/tests/crdts/samples.rs"]
mod samples;
mod wire;
