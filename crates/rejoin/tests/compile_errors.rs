//! What the compiler tells a user who declares something that cannot merge.
//!
//! Each file in `ui` is refused with the text beside it. Only texts of ours are held: the rest of
//! what a compiler says changes with its version.

#[test]
fn what_cannot_merge_is_refused_with_advice() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
