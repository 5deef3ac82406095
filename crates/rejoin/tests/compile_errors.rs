//! The compiler's errors for a declaration that cannot merge.
//!
//! Each file in `ui` is refused with the text beside it. Only our own texts are compared: the rest
//! of the compiler's output changes with its version.

#[test]
fn what_cannot_merge_is_refused_with_advice() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
