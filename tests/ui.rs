//! What the compiler says: every diagnostic of the macros, on the user's own tokens, all of a trait at once.

#[test]
fn diagnostics() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
