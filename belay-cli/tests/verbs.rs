//! What verbs do beyond what they print: which board they reach and by what, what they leave behind, when they give up.

#![cfg(unix)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
    command.args(arguments).env("BELAY_QUIET", "1").env_remove("BELAY_PORT");
    command
}

fn belay(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it runs")
}

/// What it printed; it must have done what it was asked for.
#[track_caller]
fn printed(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    let text = printed(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A folder that is gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("belay-verbs-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `belay sim`, which is stopped with this value.
struct Sim {
    child: Child,
    /// What it said first.
    said: String,
}

impl Sim {
    fn start(arguments: &[&str]) -> Self {
        let arguments = [&["sim"], arguments].concat();
        let mut child = command(&arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("it is ours")).read_line(&mut said).expect("it says where it is");
        Self { child, said }
    }

    /// Where it is, if it was asked for JSON.
    fn port(&self) -> String {
        let said: Value = serde_json::from_str(&self.said).expect("it is JSON");
        said["port"].as_str().expect("it names its port").to_owned()
    }

    fn stop(&mut self) {
        // It may have ended by itself, which `wait` says.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().expect("it ends");
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_board_behind_tcp_answers_other_verbs() {
    let sim = Sim::start(&["pico", "--tcp", "127.0.0.1:0", "--json"]);
    let said: Value = serde_json::from_str(&sim.said).expect("it is JSON");
    assert_eq!(said["family"], "pico");
    assert!(sim.port().starts_with("tcp://127.0.0.1:"), "{said}");
    assert_eq!(printed(&belay(&["eval", "--port", &sim.port(), "6 * 7"])), "42\n");

    let mut plain = Sim::start(&["esp32", "--tcp", "127.0.0.1:0"]);
    let port = plain.said.strip_prefix("a virtual esp32 at ").and_then(|rest| rest.strip_suffix("; Ctrl-C ends it\n"));
    let port = port.unwrap_or_else(|| panic!("{}", plain.said)).to_owned();
    let info = json(&belay(&["info", "--port", &port, "--json"]));
    assert_eq!((&info["port"], &info["board"]["platform"]), (&port.as_str().into(), &"esp32".into()), "{info}");
    plain.stop();
    assert_eq!(belay(&["info", "--port", &port]).status.code(), Some(3), "it is gone");
}

#[test]
fn a_link_that_is_somebody_elses_stays() {
    let folder = Folder::new("link");
    let (file, to_file) = (folder.at("file"), folder.at("to-file"));
    fs::write(&file, "mine").expect("a file");
    symlink(&file, &to_file).expect("a link");
    for taken in [&file, &to_file] {
        let refused = belay(&["sim", "pico", "--pty", taken]);
        let err = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{err}");
        let message = format!(
            "error: cannot make the link {taken}: something else is there. Remove it, or give --pty another path\n"
        );
        assert_eq!(err, message);
    }
    assert_eq!(fs::read_to_string(&to_file).expect("it is still a link"), "mine");

    // One that leads nowhere, and one that a predecessor has left, are replaced.
    let link = folder.at("board");
    symlink(folder.at("nothing"), &link).expect("a link");
    let mut first = Sim::start(&["pico", "--pty", &link]);
    let to_first = fs::read_link(&link).expect("a link");
    let mut second = Sim::start(&["pico", "--pty", &link]);
    let to_second = fs::read_link(&link).expect("a link");
    assert_ne!(to_first, to_second);
    first.stop();
    assert_eq!(fs::read_link(&link).ok(), Some(to_second), "the first one removed what was not its own");
    assert_eq!(printed(&belay(&["eval", "--port", &link, "6 * 7"])), "42\n");
    second.stop();
    assert!(!Path::new(&link).is_symlink(), "the link is left behind");
}

#[test]
fn the_port_comes_from_the_environment_unless_it_is_given() {
    let platform = |command: &mut Command| json(&command.output().expect("it runs"))["board"]["platform"].clone();
    let mut environment = command(&["info", "--json"]);
    assert_eq!(platform(environment.env("BELAY_PORT", "sim:esp32")), "esp32");
    let mut both = command(&["info", "--json", "--port", "sim:pico"]);
    assert_eq!(platform(both.env("BELAY_PORT", "sim:esp32")), "rp2");
    let mut empty = command(&["info"]);
    assert_eq!(empty.env("BELAY_PORT", "").output().expect("it runs").status.code(), Some(2));
}

#[test]
fn code_comes_from_standard_input() {
    let mut exec = command(&["exec", "--port", "sim:pico", "-"]);
    let mut exec = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let code = "for i in range(3):\n    print(i)\n";
    exec.stdin.take().expect("it is ours").write_all(code.as_bytes()).expect("it is read");
    assert_eq!(printed(&exec.wait_with_output().expect("it ends")), "0\n1\n2\n");
}

#[test]
fn a_trace_is_kept() {
    let folder = Folder::new("trace");
    let file = folder.at("session");
    let shown = printed(&belay(&["trace", "--port", "sim:pico", "--save", &file, "--json", "print('OK')"]));
    let kept = fs::read_to_string(&file).expect("it is kept");
    let lines = |words: &[&str]| {
        kept.lines().filter(|line| line.split(' ').nth(1).is_some_and(|word| words.contains(&word))).count()
    };
    // All that is shown is in it, and all bytes have a meaning.
    assert_eq!(shown.lines().count(), kept.lines().count() - lines(&["sent", "took"]));
    assert!(lines(&[">"]) > 3 && lines(&["<"]) > 3 && lines(&["submit"]) > 2, "{kept}");
    // The board said OK to each plain request and printed one, which is none.
    let runs = shown.matches("it runs").count();
    let plain = kept.lines().filter(|line| line.contains(" plain ")).count();
    assert_eq!(runs, plain, "{shown}");
}

#[test]
fn latency_of_a_virtual_board() {
    let report = json(&belay(&["latency", "--port", "sim:pico?latency=5ms", "--calls", "20", "--json"]));
    assert_eq!((&report["port"], &report["calls"]), (&"sim:pico?latency=5ms".into(), &20.into()), "{report}");
    assert_eq!(report["turns"], 1, "{report}");
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} is no number: {report}"));
    assert!(number("bytes_out") > 0.0 && number("bytes_in") > 0.0, "{report}");
    let times = ["ms_min", "ms_median", "ms_p99", "ms_max"].map(number);
    assert!(times.is_sorted() && times[0] > 8.0, "a turn takes five milliseconds each way: {report}");
    assert!(times[0] <= number("ms_mean") && number("ms_mean") <= times[3], "{report}");
}

/// Carries bytes between the command and a board until `last` goes to the board, and nothing from then on.
fn falls_silent(board: &str, last: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let board = board.strip_prefix("tcp://").expect("it is one").to_owned();
    let silent = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        while let Ok((host, _)) = listener.accept() {
            let board = TcpStream::connect(&board).expect("the board is there");
            let ends = (host.try_clone().expect("it is open"), board.try_clone().expect("it is open"));
            let (up, down) = (Arc::clone(&silent), Arc::clone(&silent));
            std::thread::spawn(move || carry(host, board, &up, Some(last)));
            std::thread::spawn(move || carry(ends.1, ends.0, &down, None));
        }
    });
    format!("tcp://{address}")
}

fn carry(mut from: impl Read, mut to: impl Write, silent: &AtomicBool, last: Option<&str>) {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = from.read(&mut piece) {
        seen.extend_from_slice(&piece[..n]);
        let ends = |last: &str| seen.windows(last.len()).any(|window| window == last.as_bytes());
        if last.is_some_and(ends) {
            silent.store(true, Ordering::SeqCst);
        }
        if !silent.load(Ordering::SeqCst) && to.write_all(&piece[..n]).is_err() {
            break;
        }
    }
}

#[test]
fn a_board_that_falls_silent_is_given_up() {
    // Each has a call under way when the board says its last word; none may wait for a year.
    let verbs: [(&[&str], &str); 2] = [(&["info"], "pass"), (&["latency", "--calls", "5"], "_b(1")];
    let waiting = verbs.map(|(verb, last)| {
        std::thread::spawn(move || {
            let sim = Sim::start(&["pico", "--tcp", "127.0.0.1:0", "--json"]);
            // A trusted line, on which the text of a call can be foreseen.
            let port = falls_silent(&sim.port(), last) + "?trust=trusted";
            let output = belay(&[verb, &["--json", "--port", &port]].concat());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let code = output.status.code();
            assert!(matches!(code, Some(4 | 5)), "{verb:?}: {code:?} {text}");
            text
        })
    });
    for (verb, waiting) in verbs.into_iter().zip(waiting) {
        let text = waiting.join().unwrap_or_else(|_| panic!("{verb:?} should have failed"));
        println!("{verb:?}: {text}");
        assert!(text.starts_with(r#"{"error":{"#), "{text}");
    }
}

#[test]
fn every_shell_completes_every_verb() {
    let help = printed(&belay(&["--help"]));
    let (_, verbs) = help.split_once("Commands:\n").expect("it lists its verbs");
    let verbs: Vec<&str> =
        verbs.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() >= 10, "{verbs:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&belay(&["completions", shell]));
        let words: Vec<&str> = script.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        for verb in verbs.iter().chain(&["--port", "--json"]) {
            // Fish names long options without their dashes.
            let word = if shell == "fish" { verb.trim_start_matches('-') } else { verb };
            assert!(words.contains(&word), "{shell} does not know {verb}");
        }
    }
    let script = belay(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash");
    bash.stdin.take().expect("it is ours").write_all(&script).expect("it is read");
    let parsed = bash.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&parsed.stderr);
    assert!(parsed.status.success() && err.is_empty(), "{err}");
}
