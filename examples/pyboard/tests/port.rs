//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
mod program;

use program::{Program, board, shown};

#[tokio::test]
async fn the_platform_is_level_until_ctrl_c() {
    let (board, _terminal, port) = board("pyboard");
    let mut program = Program::start(env!("CARGO_BIN_EXE_pyboard"), &["--port", &port]);
    for (i, axes) in [[0, 0, 21], [4, 0, 20], [11, 0, 18], [-15, 0, 15]].into_iter().enumerate() {
        board.set_acceleration(axes);
        program.lines(i + 1).await;
    }
    assert!(shown(include_str!("../README.md")).starts_with(&program.printed), "{}", program.printed);
    let middle = Some((50, 4_915));
    assert_ne!(board.pin("X1").pwm(), middle);
    program.interrupt();
    assert_eq!(program.end().await, (true, String::new()));
    assert_eq!(board.pin("X1").pwm(), middle);
    assert!(!board.pin("LED_GREEN").level());
}
