//! What the README says is so: its `console` blocks are run, the tests it names exist, its Cargo.toml is ours. `.ci/readme`
//! runs its `sh` blocks.

use std::{path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README")
}

/// The blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    text.split(open.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Figures differ from run to run; everything else does not.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for c in text.trim_end().chars() {
        match c {
            '0'..='9' if masked.ends_with('#') => {}
            '0'..='9' => masked.push('#'),
            c => masked.push(c),
        }
    }
    masked
}

#[test]
fn commands_print_what_it_shows() {
    let readme = readme();
    let bin = Path::new(env!("CARGO_BIN_EXE_belay")).parent().expect("it is in a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut count = 0;
    for block in blocks(&readme, "console") {
        for session in block.split("$ ").skip(1) {
            let (command, rest) = session.split_once('\n').expect("a command has a line");
            let (code, shown) = match rest.strip_prefix("? ") {
                Some(rest) => rest.split_once('\n').expect("an exit code has a line"),
                None => ("0", rest),
            };
            let output = Command::new("sh")
                .args(["-c", &format!("{command} 2>&1")])
                .env("PATH", &path)
                .env("BELAY_QUIET", "1")
                .output()
                .expect("there is a shell");
            let printed = String::from_utf8_lossy(&output.stdout);
            assert_eq!(masked(&printed), masked(shown), "{command} printed:\n{printed}");
            assert_eq!(output.status.code().map(|code| code.to_string()).as_deref(), Some(code), "{command}");
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} commands");
}

#[test]
fn tests_that_it_names_exist() {
    let readme = readme();
    let mut count = 0;
    for name in readme.split('`').filter(|part| part.contains("tests/") && !part.contains(['\n', '*', ' '])) {
        let (file, function) = name.split_once("::").unwrap_or((name, ""));
        let path = root().join(file);
        assert!(path.exists(), "{file} is not there");
        if !function.is_empty() {
            let text = std::fs::read_to_string(path).expect("it is text");
            assert!(text.contains(&format!("fn {function}(")), "{file} has no {function}");
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} names");
}

#[test]
fn every_verb_is_in_its_table() {
    let help = Command::new(env!("CARGO_BIN_EXE_belay")).arg("--help").output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout);
    let (_, verbs) = help.split_once("Commands:\n").expect("it lists its verbs");
    let verbs: Vec<&str> =
        verbs.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() >= 7, "{verbs:?}");
    for verb in verbs {
        assert!(readme().contains(&format!("\n| `belay {verb}")), "{verb} is not in the README's table");
    }
}

#[test]
fn its_profile_is_ours() {
    let readme = readme();
    let block = blocks(&readme, "toml").concat();
    let (_, profile) = block.split_once("[profile.dev.package]\n").expect("it has a profile");
    let ours = std::fs::read_to_string(root().join("Cargo.toml")).expect("there is a Cargo.toml");
    assert!(ours.contains(&format!("[profile.dev.package]\n{profile}")), "{profile}");
}
