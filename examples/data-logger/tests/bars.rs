//! The progress that somebody sees who keeps the log in a file: the error output is a terminal, the output is not.

#![cfg(unix)]

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    process::{Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

#[test]
fn a_bar_for_each_board_moves() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
    grantpt(&master).expect("it is ours");
    unlockpt(&master).expect("it opens");
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("it has a size");
    let path = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("of letters");
    let terminal = File::options().read(true).write(true).open(path).expect("it can be opened");
    let child = Command::new(env!("CARGO_BIN_EXE_data-logger"))
        .env("TERM", "xterm-256color")
        .stdout(Stdio::piped())
        .stderr(terminal)
        .spawn()
        .expect("it starts");
    let reader = std::thread::spawn(move || {
        let (mut seen, mut piece, mut master) = (Vec::new(), [0; 4096], File::from(master));
        // The terminal hangs up when the program has ended.
        while let Ok(n @ 1..) = master.read(&mut piece) {
            seen.extend_from_slice(&piece[..n]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let output = child.wait_with_output().expect("it ends");
    let seen = reader.join().expect("it was read");
    assert!(output.status.success(), "{seen:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 81, "nothing but the log");
    for port in ["sim:pico ", "sim:pico2 "] {
        let places: BTreeSet<u32> = seen
            .split_inclusive("/40")
            .filter(|bar| bar.contains(port))
            .filter_map(|bar| bar.rsplit(' ').next()?.strip_suffix("/40")?.parse().ok())
            .collect();
        assert!(places.len() >= 3, "{port}: {places:?} in {seen:?}");
    }
}
