//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
mod program;

use program::{Program, board, shown};

#[tokio::test]
async fn a_good_supply_passes_on_a_port_too() {
    let (board, _terminal, port) = board("pico");
    board.adc(26).set(49_350);
    let mut program = Program::start(env!("CARGO_BIN_EXE_bench-rig"), &["--port", &port]);
    assert_eq!(program.end().await, (true, String::new()));
    assert_eq!(program.printed, shown(include_str!("../README.md")));
    assert_eq!(board.pin(15).pwm(), None);
}

#[tokio::test]
async fn ctrl_c_under_load_switches_the_load_off() {
    let (board, _terminal, port) = board("pico");
    board.adc(26).set(49_350);
    let mut program = Program::start(env!("CARGO_BIN_EXE_bench-rig"), &["--port", &port]);
    // The second step is done, and the third one begins.
    program.lines(2).await;
    assert!(board.pin(15).pwm().is_some_and(|(_, duty)| duty > 0));
    program.interrupt();
    let (content, errors) = program.end().await;
    assert!(!content && errors.contains("stopped by Ctrl-C"), "{errors}");
    assert_eq!(program.printed.lines().count(), 2, "{}", program.printed);
    assert_eq!(board.pin(15).pwm(), None);
}
