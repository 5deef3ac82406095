//! Lists, trees and documents compared with naive oracles.
//!
//! Every copy is compared with an oracle after every step: the oracle keeps who had seen what, and
//! computes the view of a set of events from scratch, as the wording of the documentation defines
//! it.

mod copies;
mod doc;
mod list;
mod list_oracle;
mod tree;
mod tree_oracle;
