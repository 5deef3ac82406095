//! Lists, trees and documents against naive oracles.
//!
//! Every copy is held to an oracle after every step: it keeps who had seen what, and computes from
//! scratch what a set of events looks like, as the words of the documentation say it.

mod copies;
mod doc;
mod list;
mod list_oracle;
mod tree;
mod tree_oracle;
