//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
#[allow(dead_code, reason = "it has more for the other examples")]
mod program;

use program::{Program, board};

#[tokio::test]
async fn the_lamp_follows_the_light_until_ctrl_c() {
    let (board, _terminal, port) = board("circuitpython");
    board.adc("A0").set(9_000);
    let mut program = Program::start(env!("CARGO_BIN_EXE_circuitpython"), &["--port", &port]);
    program.lines(1).await;
    assert_eq!(program.printed, " 14 %: lamp on, switched\n");
    assert!(board.pin("LED").level());
    program.interrupt();
    assert_eq!(program.end().await, (true, String::new()));
    assert!(!board.pin("LED").level());
}
