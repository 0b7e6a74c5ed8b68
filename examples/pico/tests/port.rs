//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

#[path = "../../../tests/common/program.rs"]
mod program;

use program::{Program, board, shown};

#[tokio::test]
async fn the_fan_runs_until_ctrl_c() {
    let (board, _terminal, port) = board("pico");
    let mut program = Program::start(env!("CARGO_BIN_EXE_pico"), &["--port", &port]);
    let shown = shown(include_str!("../README.md"));
    program.lines(shown.lines().count()).await;
    assert_eq!(program.printed, shown);
    assert_eq!(board.pin(15).pwm(), Some((25_000, 6_553)));
    program.interrupt();
    assert_eq!(program.end().await, (true, String::new()));
    assert_eq!(board.pin(15).pwm(), None);
}

/// Toggles of the LED, speeds of the fan: what `machine.py` beside this file writes down.
async fn written(log: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        if wanted(&said) {
            return said;
        }
        assert!(Instant::now() < until, "{said}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_heart_beats_beside_the_readings_and_stops_with_them() {
    let Ok(micropython) = std::env::var("BELAY_UNIX_PORT") else {
        assert!(std::env::var_os("CI").is_none(), "BELAY_UNIX_PORT does not name MicroPython's unix port");
        println!("left out: BELAY_UNIX_PORT does not name MicroPython's unix port");
        return;
    };
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("machine-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&log);
    let (path, to) = (modules.display(), log.display());
    let port = format!("exec:env MICROPYPATH={path} MACHINE_LOG={to} {micropython} -i");
    let mut program = Program::start(env!("CARGO_BIN_EXE_pico"), &["--port", &port]);
    program.lines(3).await;
    assert_eq!(program.printed, "27.0 °C: fan at 10 %\n".repeat(3));
    let beats = written(&log, |said| said.matches("toggle").count() >= 3).await;
    assert!(beats.contains("duty 6553"), "{beats}");
    program.interrupt();
    assert_eq!(program.end().await, (true, String::new()));
    let said = written(&log, |_| true).await;
    assert!(said.ends_with("deinit\noff\n"), "no beat after the fan and the LED are off: {said}");
    let _ = std::fs::remove_file(&log);
}
