//! The command as a person at a terminal sees it, and what Ctrl-C does: on a pseudo-terminal, through an emulator of one.

#![cfg(unix)]

use std::{
    fs::File,
    io::Read as _,
    num::NonZero,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// How long anything here may take on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: NonZero<u16> = NonZero::new(24).expect("not 0");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("not 0");

/// The command on a terminal of 24 lines of 80 characters.
struct Session {
    child: Child,
    output: Receiver<Vec<u8>>,
    /// Everything that was written so far.
    seen: Vec<u8>,
    screen: vt100::Parser,
}

impl Session {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it opens");
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("it has a size");
        let path = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("of letters");
        let end = || Stdio::from(File::options().read(true).write(true).open(&path).expect("it can be opened"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
        command.args(arguments).stdin(end()).stdout(end()).stderr(end());
        // In CI even a terminal that says it knows no colours is given them.
        for unset in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "BELAY_QUIET", "BELAY_PORT"] {
            command.env_remove(unset);
        }
        let child = command.env("TERM", "xterm-256color").envs(environment.iter().copied()).spawn().expect("it starts");
        drop(command);
        let (send, output) = mpsc::channel();
        let mut master = File::from(master);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The terminal hangs up when the command has ended.
            while let Ok(n @ 1..) = master.read(&mut piece) {
                if send.send(piece[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, output, seen: Vec::new(), screen: vt100::Parser::new(ROWS, COLUMNS, 0) }
    }

    /// Reads until the screen is as wanted.
    #[track_caller]
    fn wait_for(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(self.screen.screen()) {
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("{what}: {error}; the screen shows:\n{}", self.screen.screen().contents()),
            }
        }
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Reads to the end.
    #[track_caller]
    fn end(mut self) -> (ExitStatus, vt100::Screen, Vec<u8>) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end; the screen shows:\n{}", self.screen.screen().contents())
                }
            }
        }
        let status = self.child.wait().expect("it has ended");
        (status, self.screen.screen().clone(), std::mem::take(&mut self.seen))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
        self.screen.process(bytes);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that is gone with this value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("belay-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether any character on the screen has a colour.
fn coloured(screen: &vt100::Screen) -> bool {
    let cells = (0..ROWS.get()).flat_map(|row| (0..COLUMNS.get()).map(move |column| (row, column)));
    cells.filter_map(|(row, column)| screen.cell(row, column)).any(|cell| cell.fgcolor() != vt100::Color::Default)
}

fn shows(screen: &vt100::Screen, text: &str) -> bool {
    screen.contents().contains(text)
}

/// The number before `/60`.
fn position(screen: &vt100::Screen) -> Option<u64> {
    screen.contents().split_once("/60")?.0.split_whitespace().last()?.parse().ok()
}

/// A board whose calls take so long that progress has to be shown.
const SLOW: &str = "sim:pico?latency=20ms";

#[test]
fn progress_is_a_bar_that_moves_and_goes_away() {
    let mut session = Session::start(&["latency", "--port", SLOW, "--calls", "60"], &[]);
    session.wait_for("a bar", |screen| shows(screen, "calling") && shows(screen, "/60"));
    assert!(coloured(session.screen.screen()), "{}", session.screen.screen().contents_formatted());
    let first = position(session.screen.screen());
    session.wait_for("a bar that moves", |screen| position(screen) > first);
    let (status, screen, _) = session.end();
    assert!(status.success());
    assert!(!shows(&screen, "calling") && shows(&screen, "60 calls of an empty task"), "{}", screen.contents());
    // The cursor is back, and on a line of its own.
    assert!(!screen.hide_cursor() && screen.cursor_position().1 == 0);
}

#[test]
fn a_long_file_shows_how_much_of_it_is_sent() {
    let folder = Folder::new("sending");
    let file = folder.0.join("long.py");
    // Of digits that no compression makes small enough for a slow line.
    let digits = (0..600u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string());
    std::fs::write(&file, digits.map(|digits| format!("x = {digits}\n")).collect::<String>()).expect("a file");
    let mut session = Session::start(&["run", "--port", "sim:pico?baud=57600", &file.to_string_lossy()], &[]);
    session.wait_for("a bar in bytes", |screen| shows(screen, "sending ") && shows(screen, "KiB, "));
    let (status, screen, _) = session.end();
    assert!(status.success() && !shows(&screen, "sending "), "{}", screen.contents());
}

#[test]
fn no_color_means_none() {
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let session = Session::start(&["latency", "--port", SLOW, "--calls", "60"], &[environment]);
        let (status, screen, seen) = session.end();
        assert!(status.success());
        let text = String::from_utf8_lossy(&seen);
        // Colours and bold are `…m`; a bar still moves the cursor.
        let styled = text.split("\x1b[").skip(1).any(|rest| {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            rest.starts_with('m')
        });
        assert!(!styled && !coloured(&screen), "{environment:?}: {}", seen.escape_ascii());
    }
}

#[test]
fn errors_are_red() {
    let (status, screen, _) = Session::start(&["info", "--port", "/dev/no-such-port"], &[]).end();
    assert_eq!(status.code(), Some(3));
    let cell = screen.cell(0, 0).expect("a screen has a corner");
    assert_eq!((cell.contents(), cell.fgcolor()), ("e", vt100::Color::Idx(1)), "{}", screen.contents());
}

#[test]
fn without_a_terminal_progress_is_a_plain_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_belay"))
        .args(["latency", "--port", SLOW, "--calls", "60"])
        .env_remove("BELAY_QUIET")
        .output()
        .expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert!(
        err.lines().any(|line| line == "calling …") && !err.contains('\x1b') && !out.contains('\x1b'),
        "{err}{out}"
    );
}

#[test]
fn prints_appear_as_they_come_and_ctrl_c_stops_the_board() {
    let code = "n = 0\nwhile True:\n n += 1\n print('line', n)";
    let mut session = Session::start(&["exec", "--port", "sim:pico", code], &[]);
    session.wait_for("prints", |screen| shows(screen, "line "));
    session.interrupt();
    let (status, screen, _) = session.end();
    assert_eq!(status.code(), Some(130), "{}", screen.contents());
    assert!(shows(&screen, "stopped, and the board too"), "{}", screen.contents());
}

#[test]
fn silent_code_shows_that_it_runs_below_its_prints() {
    let code =
        "import time\nprint('begun')\ntime.sleep(1.5)\nprint('so far', end='')\ntime.sleep(1)\nprint(', so good')";
    let mut session = Session::start(&["exec", "--port", "sim:pico", code], &[]);
    session.wait_for("that it runs", |screen| shows(screen, "begun") && shows(screen, "running; Ctrl-C stops it"));
    session.wait_for("prints alone", |screen| shows(screen, "so far") && !shows(screen, "running"));
    let before = session.seen.len();
    let (status, screen, seen) = session.end();
    assert!(status.success());
    assert_eq!(screen.contents().trim_end(), "begun\nso far, so good");
    // A line that has not ended has no room below it.
    assert!(!String::from_utf8_lossy(&seen[before..]).contains("running"), "{}", seen[before..].escape_ascii());
}

#[test]
fn the_wait_for_a_board_to_stop_is_shown() {
    let code = "import micropython\nmicropython.kbd_intr(-1)\nprint('deaf')\nwhile True: pass";
    let mut session = Session::start(&["exec", "--port", "sim:pico", code], &[]);
    session.wait_for("the loop", |screen| shows(screen, "deaf"));
    session.interrupt();
    session.wait_for("what is waited for", |screen| shows(screen, "stopping the board"));
    let (status, screen, _) = session.end();
    assert_eq!(status.code(), Some(130), "{}", screen.contents());
    assert!(shows(&screen, "may still run") && !shows(&screen, "stopping the board"), "{}", screen.contents());
}

#[test]
fn openings_of_a_bench_are_shown() {
    let mut session = Session::start(&["bench", "attach_warm", "--port", "sim:pico?latency=100ms"], &[]);
    session.wait_for("the opening", |screen| shows(screen, "opening sim:pico?latency=100ms"));
    session.wait_for("the figure", |screen| shows(screen, "measuring attach_warm") && shows(screen, "/10"));
    session.interrupt();
    let (status, screen, _) = session.end();
    assert_eq!(status.code(), Some(130), "{}", screen.contents());
    assert!(!shows(&screen, "opening") && !shows(&screen, "measuring"), "{}", screen.contents());
}

#[test]
fn a_board_on_its_own_stops_too() {
    // The board lives on after the command: the next one finds it idle, with what the first one counted.
    let folder = Folder::new("board");
    let link = folder.0.join("board").to_string_lossy().into_owned();
    let mut board = Session::start(&["sim", "pico", "--pty", &link], &[]);
    board.wait_for("the board", |screen| shows(screen, "Ctrl-C ends it"));

    let code = "import __main__\n__main__.n = 0\nwhile True:\n __main__.n += 1\n if __main__.n == 1000: print('begun')";
    let mut session = Session::start(&["exec", "--port", &link, code], &[]);
    session.wait_for("the loop", |screen| shows(screen, "begun"));
    session.interrupt();
    let (status, screen, _) = session.end();
    assert_eq!(status.code(), Some(130), "{}", screen.contents());

    let count = || {
        let code = "import __main__\nprint('counted', __main__.n)";
        let (status, screen, _) = Session::start(&["exec", "--port", &link, code], &[]).end();
        assert!(status.success() && shows(&screen, "counted "), "{}", screen.contents());
        screen.contents()
    };
    assert_eq!(count(), count(), "the board goes on counting");

    board.interrupt();
    let (status, _, _) = board.end();
    assert!(status.success());
    assert!(!std::path::Path::new(&link).is_symlink(), "the link is left behind");
}
