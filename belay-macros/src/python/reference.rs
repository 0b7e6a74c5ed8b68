//! Python itself, where it runs: what the minifier is compared with, and what fetches the corpus. For tests.

#![cfg(feature = "syntax")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::lines;
use super::minify::minify;
use super::source::Source;
use super::syntax;

/// Compares pairs of files, without docstrings and annotations: lines of `before TAB after`.
const COMPARE: &str = r"
import ast, sys, tokenize
class Strip(ast.NodeTransformer):
    def visit_arg(self, node): node.annotation = None; return node
    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None: return None if node.simple else node
        return ast.Assign([node.target], node.value, None)
    def generic_visit(self, node):
        documented = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module))
        if documented and ast.get_docstring(node, False) is not None: node.body = node.body[1:]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)): node.returns = None
        super().generic_visit(node)
        if isinstance(getattr(node, 'body', None), list) and not node.body and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]
        return node
    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Module = generic_visit
compared = 0
for pair in open(sys.argv[1], encoding='utf-8').read().splitlines():
    before, after = pair.split('\t')
    try:
        with tokenize.open(before) as file: before = ast.parse(file.read(), before)
    except (SyntaxError, ValueError, UnicodeError): continue
    after = ast.parse(open(after, encoding='utf-8', newline='').read(), after)
    if ast.dump(Strip().visit(before)) != ast.dump(after): print('different:', pair)
    compared += 1
print(compared)
";

/// What a script prints, and whether it ended well; `None`, with the reason in the test's output, where Python does not
/// run. In CI it has to.
pub(super) fn python(arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new("python3").args(arguments).stderr(Stdio::inherit()).output() {
        Ok(output) => Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())),
        Err(error) => {
            left_out(&format!("python3 does not run here ({error})"));
            None
        }
    }
}

/// Says that a test cannot run here, and why. In CI everything runs.
pub(super) fn left_out(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    println!("left out: {reason}");
}

/// Makes files of Python small and has Python compare the programs: how many there were. Files that are no Python, or no
/// UTF-8, are there to test Python and do not count.
pub(super) fn compare(files: &[PathBuf]) -> usize {
    let directory = std::env::temp_dir().join(format!("belay-minify-{}-{:p}", std::process::id(), files));
    std::fs::create_dir_all(&directory).unwrap();
    let shards = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<String> = std::thread::scope(|scope| {
        let shard = |shard| {
            let files: Vec<&PathBuf> = files.iter().skip(shard).step_by(shards).collect();
            let directory = directory.join(shard.to_string());
            scope.spawn(move || compare_shard(&files, &directory))
        };
        let running: Vec<_> = (0..shards).map(shard).collect();
        running.into_iter().map(|shard| shard.join().unwrap()).collect()
    });
    std::fs::remove_dir_all(&directory).unwrap();
    outcomes.iter().map(|outcome| outcome.trim().parse::<usize>().expect(outcome)).sum()
}

/// How many were compared, or what is different.
fn compare_shard(files: &[&PathBuf], directory: &Path) -> String {
    std::fs::create_dir_all(directory).unwrap();
    let mut pairs = String::new();
    for (number, file) in files.iter().enumerate() {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let draft = lines::module(&Source::file(String::new(), &text));
        let Ok(module) = syntax::parse(&draft.text()) else { continue };
        let small = directory.join(number.to_string());
        std::fs::write(&small, minify(&draft, &module).text()).unwrap();
        pairs += &format!("{}\t{}\n", file.display(), small.display());
    }
    let list = directory.join("pairs");
    std::fs::write(&list, pairs).unwrap();
    python(&["-c", COMPARE, list.to_str().unwrap()]).unwrap().1
}
