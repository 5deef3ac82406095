//! Replicas as child processes of this program, and the driver's conversation with each.
//!
//! - [`cluster`]: all replicas of one run, and the links between them.
//! - [`child`], [`child_error`]: one replica as a process that can be killed.
//! - [`child_protocol`]: what the driver and a child say to each other; [`conversation`] is the
//!   driver's end of it, [`replica`] the child's.
//! - [`link`]: which two replicas a link joins; [`proxy`] is one that can go silent.
//! - [`workspace_dir`]: where the store files of a run are.

pub(crate) mod child;
pub(crate) mod child_error;
pub(crate) mod child_protocol;
pub(crate) mod cluster;
pub(crate) mod conversation;
pub(crate) mod link;
pub(crate) mod proxy;
pub(crate) mod replica;
pub(crate) mod workspace_dir;
