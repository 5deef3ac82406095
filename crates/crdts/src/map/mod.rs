//! Values that are made of named values.
//!
//! An [`OrMap`] has one type under all of its keys, a [`Doc`] any type under each, and [`OneOf`] an
//! enum's variants beside the choice among them. They are the same cells at the same paths, so each
//! can be read as another; a derived struct is one more of them.

mod doc;
mod or;
#[doc(hidden)]
pub mod variants;

pub use doc::{Doc, DocEditor, DocReader, Scalar};
pub use or::{OrMap, OrMapEditor, OrMapReader};
pub use variants::{OneOf, Precedence, Variants};
