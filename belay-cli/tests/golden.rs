//! What the command prints, word for word: `tests/golden/*.trycmd`, and every `console` block of the README.

use std::time::Duration;

#[test]
fn the_output_is_as_written_down() {
    let cases = trycmd::TestCases::new();
    cases.env("BELAY_QUIET", "1").timeout(Duration::from_secs(60));
    cases.case("tests/golden/*.trycmd");
}
