//! The program on a port, as on hardware.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
#[allow(dead_code, reason = "it has more for the other examples")]
mod program;

use program::{Program, board};

#[tokio::test]
async fn it_prints_the_same_as_on_a_board_in_this_process() {
    let (_board, _terminal, port) = board("pico");
    let mut program = Program::start(env!("CARGO_BIN_EXE_quickstart"), &["--port", &port]);
    assert_eq!(program.end().await, (true, String::new()));
    let mut own = Program::start(env!("CARGO_BIN_EXE_quickstart"), &[]);
    assert_eq!(own.end().await, (true, String::new()));
    assert!(own.printed.contains("and the board goes on: 27.0 °C"), "{}", own.printed);
    assert_eq!(program.printed.replace(&port, "sim:pico"), own.printed);
}
