//! Every crate that a program gets with belay has a licence that goes with MIT OR Apache-2.0.

use std::process::Command;

/// Licences that ask for nothing but their own text.
const FINE: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "CC0-1.0",
    "BSL-1.0",
];
/// Weak copyleft that stays in its own files; the serial port library has it, and nothing else may.
const SERIALPORT: (&str, &str) = ("serialport", "MPL-2.0");

#[test]
fn dependencies_have_licences_that_go_with_ours() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let packages = metadata["packages"].as_array().expect("it lists packages");
    assert!(packages.len() > 20, "only {} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let (name, licence) = (package["name"].as_str()?, package["license"].as_str().unwrap_or("none"));
            let any = licence
                .replace('/', " OR ")
                .split(" OR ")
                .any(|choice| choice.split(" AND ").all(|one| FINE.contains(&one.trim_matches(['(', ')', ' ']))));
            (!any && (name, licence) != SERIALPORT).then(|| format!("{name}: {licence}"))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn our_crates_carry_both_licences() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let text = std::fs::read_to_string(name).expect(name);
        assert!(text.len() > 500, "{name} is too short to be a licence");
    }
}
