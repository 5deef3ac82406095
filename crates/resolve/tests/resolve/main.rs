//! Policies through the public API: their laws, their bytes, and siblings beside other types.

mod bytes;
mod json;
mod laws;
mod lines;
mod patterns;
mod places;
