//! What the program prints on its virtual board, which is what its README shows.

#[test]
fn it_prints_what_the_readme_shows() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_quickstart")).output().expect("it starts");
    // The board ends its lines like a terminal.
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let source = include_str!("../src/main.rs");
    let line = source.lines().position(|line| line.contains("volts = total / readings")).expect("it divides") + 1;
    let frame = format!("File \"examples/quickstart/src/main.rs\", line {line}, in read_temp");
    assert!(printed.contains(&frame), "{printed}");
    assert!(include_str!("../../../README.md").contains(&format!("```text\n{printed}```\n")), "{printed}");
}
