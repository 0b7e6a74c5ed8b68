//! No false alarm on code that others wrote for boards: every `.py` file under the directory that
//! `BELAY_PYTHON_CORPUS` names, each as the setup of a trait, with all of its functions.

#![cfg(feature = "syntax")]

use std::path::PathBuf;

use super::lines;
use super::meaning::Namespace;
use super::source::Source;
use super::{minify, syntax};

/// Names that really are not defined: mistakes of the libraries.
const MISTAKES: &[&str] = &["asyncio/stream.py:275: `ssl` is not defined"];

#[test]
fn a_corpus_of_libraries_raises_no_alarm() {
    let Some(root) = std::env::var_os("BELAY_PYTHON_CORPUS") else {
        println!("left out: BELAY_PYTHON_CORPUS names no directory of MicroPython libraries");
        return;
    };
    let mut directories = vec![PathBuf::from(root)];
    let (mut files, mut functions, mut before, mut after) = (0, 0, 0, 0);
    let mut alarms = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                let text = std::fs::read_to_string(&path).unwrap();
                let draft = lines::module(&Source::file(path.display().to_string(), &text));
                let draft_text = draft.text();
                let alarm = |range: std::ops::Range<usize>, what: String| {
                    let line = draft_text.get(..range.start).unwrap_or_default().matches('\n').count() + 1;
                    format!("{}:{line}: {what}", path.display())
                };
                files += 1;
                let module = match syntax::parse(&draft_text) {
                    Ok(module) => module,
                    Err(slip) => {
                        alarms.push(alarm(slip.range, slip.what.to_string()));
                        continue;
                    }
                };
                let mut namespace = Namespace::default();
                namespace.add_setup(&module, &[]);
                let slips = module.slips.iter().cloned().chain(namespace.module(&module, &[]));
                alarms.extend(slips.map(|slip| alarm(slip.range, slip.what.to_string())));
                functions += module.scope.all().len() - 1;
                before += text.len();
                let small = minify::minify(&draft, &module).text();
                after += small.len();
                std::fs::write(path.with_extension("min"), small).unwrap();
            }
        }
    }
    println!("{files} files, {functions} functions, {before} bytes before, {after} after");
    alarms.retain(|alarm| !MISTAKES.iter().any(|mistake| alarm.contains(mistake)));
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}
