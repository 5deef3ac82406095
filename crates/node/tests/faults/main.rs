//! Faults in the everyday use of two connected stores: each has a file, named after what happened.
//! The clock is tokio's and stands still while anything is under way, so nothing here depends on
//! how fast the machine is.

mod fault_01_many_spaces_one_listener;
mod fault_05_who_is_connected;
mod fault_06_a_peer_that_refuses;
mod fault_14_idle;
mod fault_24_silent_sockets;
mod net;
