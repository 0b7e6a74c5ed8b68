//! What others wrote for boards: the libraries that `corpus/libraries.txt` names stay what they are when they are made
//! small, compile on a board, and raise no alarm.

#![cfg(feature = "syntax")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use belay_runtime::Device;

use super::lines;
use super::meaning::{Namespace, Promise};
use super::minify::minify;
use super::reference;
use super::slip::Slip;
use super::source::{Place, Source};
use super::syntax::{self, Module};

/// What is wrong in the libraries: an import that is missing, a result that is promised and never returned.
const MISTAKES: &[&str] = &[
    "asyncio/stream.py:275: `ssl` is not defined",
    "eliza.py:1018: `logging` is not defined",
    "_fallback_response: `logging` is not defined",
    "_get_rules: `logging` is not defined",
    "_print_traceback: this body never returns a value",
];

struct Corpus {
    libraries: usize,
    files: Vec<PathBuf>,
    functions: Vec<Function>,
}

/// A function of a library as the body of a task.
struct Function {
    file: PathBuf,
    line: usize,
    name: String,
    params: Vec<String>,
    promise: Promise,
    body: PathBuf,
}

/// The corpus, fetched by the first who asks; `None` where that cannot be.
fn corpus() -> Option<&'static Corpus> {
    static CORPUS: OnceLock<Option<Corpus>> = OnceLock::new();
    CORPUS.get_or_init(fetch).as_ref()
}

fn fetch() -> Option<Corpus> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    let cache = cache.or_else(|| Some(PathBuf::from(home?).join(".cache")))?.join("belay");
    let [script, libraries] = ["corpus.py", "libraries.txt"].map(|name| here.join(name).display().to_string());
    let (true, root) = reference::python(&[&script, &libraries, &cache.display().to_string()])? else {
        reference::left_out("the libraries cannot be fetched with pip");
        return None;
    };
    let root = PathBuf::from(root.trim());
    let sources = root.join("sources");
    let mut files = Vec::new();
    let mut directories = vec![sources.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let listing = std::fs::read_to_string(root.join("functions.txt")).unwrap();
    let functions = listing.lines().enumerate().map(|(number, line)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, line, name, params, promise] = fields[..] else { panic!("{line}") };
        Function {
            file: sources.join(file),
            line: line.parse().unwrap(),
            name: name.to_owned(),
            params: params.split(',').filter(|param| !param.is_empty()).map(str::to_owned).collect(),
            promise: match promise {
                "value" => Promise::Value,
                "items" => Promise::Items,
                _ => Promise::Any,
            },
            body: root.join("functions").join(number.to_string()),
        }
    });
    let functions = functions.collect();
    let libraries = std::fs::read_dir(sources).unwrap().count();
    let named = include_str!("../../corpus/libraries.txt").lines().filter(|line| line.contains("==")).count();
    assert!(libraries == named && named >= 50, "{libraries} of {named} libraries");
    Some(Corpus { libraries, files, functions })
}

fn read(path: &Path) -> Source {
    Source::file(path.display().to_string(), &std::fs::read_to_string(path).unwrap())
}

#[test]
fn libraries_keep_their_meaning() {
    let Some(corpus) = corpus() else { return };
    let compared = reference::compare(&corpus.files);
    println!("{compared} files of {} libraries compared", corpus.libraries);
    assert_eq!(compared, corpus.files.len());
}

#[test]
fn libraries_raise_no_alarm() {
    let Some(corpus) = corpus() else { return };
    let mut alarms = Vec::new();
    let mut namespaces = std::collections::HashMap::new();
    for path in &corpus.files {
        let draft = lines::module(&read(path)).text();
        let line = |slip: &Slip| draft.get(..slip.range.start).unwrap_or_default().matches('\n').count() + 1;
        let mut namespace = Namespace::default();
        let slips = match syntax::parse(&draft) {
            Ok(module) => {
                namespace.add_setup(&module, &[]);
                module.slips.iter().cloned().chain(namespace.module(&module, &[])).collect()
            }
            Err(slip) => vec![slip],
        };
        alarms.extend(slips.iter().map(|slip| format!("{}:{}: {}", path.display(), line(slip), slip.what)));
        namespaces.insert(path, namespace);
    }
    for function in &corpus.functions {
        let place = Place { line: 1, column: 1 };
        // The setup is the whole module, so a task must not have its name.
        let name = format!("{}_as_a_task", function.name);
        let draft = lines::function(&name, &function.params, &read(&function.body), place).text();
        let slips = match syntax::parse(&draft) {
            Ok(module) => judge(&namespaces[&function.file], &module, function.promise),
            Err(slip) => vec![slip],
        };
        let place = format!("{}:{}: {}", function.file.display(), function.line, function.name);
        alarms.extend(slips.iter().map(|slip| format!("{place}: {}", slip.what)));
    }
    let Corpus { libraries, files, functions } = corpus;
    println!("{} functions in {} files of {libraries} libraries", functions.len(), files.len());
    alarms.retain(|alarm| !MISTAKES.iter().any(|mistake| alarm.contains(mistake)));
    assert!(alarms.is_empty(), "{} alarms:\n{}", alarms.len(), alarms.join("\n"));
}

fn judge(namespace: &Namespace, module: &Module, promise: Promise) -> Vec<Slip> {
    module.slips.iter().cloned().chain(namespace.function(module, promise)).collect()
}

#[test]
fn libraries_compile_on_a_board() {
    let Some(corpus) = corpus() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut before, mut after) = (0, 0);
    runtime.block_on(async {
        for path in &corpus.files {
            let draft = lines::module(&read(path));
            let module = syntax::parse(&draft.text()).unwrap();
            let small = minify(&draft, &module).text();
            before += std::fs::metadata(path).unwrap().len();
            after += small.len() as u64;
            // One board a file: the names in it stay on its heap.
            let board = belay_sim::Board::start(&belay_sim::Options::for_family("unix").unwrap()).unwrap();
            board.write_file("library.py", small.as_bytes()).unwrap();
            let device = Device::builder().call_timeout(Duration::from_secs(30)).connect("virtual", board.connect());
            let compile = "compile(open('library.py').read(),'library.py','exec')";
            let compiled = device.await.unwrap().session().exec(compile).await;
            assert!(compiled.is_ok(), "{}: {}", path.display(), compiled.unwrap_err());
        }
    });
    println!("{} files compiled: {before} bytes, made small {after}", corpus.files.len());
}
