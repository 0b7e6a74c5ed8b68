//! What the program prints on its virtual board, which is what its README shows.

#[test]
fn it_prints_what_the_readme_shows() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pyboard")).output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(include_str!("../README.md").contains(&format!("```text\n{printed}```\n")), "{printed}");
}
