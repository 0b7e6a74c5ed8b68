//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
#[allow(dead_code, reason = "it has more for the other examples")]
mod program;

use program::{Program, board};

#[tokio::test]
async fn ctrl_c_leaves_whole_rows_and_no_board_at_work() {
    let boards = [board("pico"), board("pico2")];
    let ports: Vec<_> = boards.iter().flat_map(|(_, _, port)| ["--port", port]).collect();
    let mut program = Program::start(env!("CARGO_BIN_EXE_data-logger"), &ports);
    while !boards.iter().all(|(_, _, port)| program.printed.contains(&format!("\n{port},"))) {
        program.lines(program.printed.lines().count() + 1).await;
    }
    assert!(boards.iter().all(|(board, ..)| board.pin("LED").level()), "both are logged");
    program.interrupt();
    let (content, errors) = program.end().await;
    assert!(!content && errors.contains("stopped by Ctrl-C"), "{errors}");
    let log = program.printed;
    assert!(log.starts_with("board,milliseconds,celsius\n") && log.ends_with('\n'), "{log:?}");
    let rows: Vec<Vec<_>> = log.lines().skip(1).map(|row| row.split(',').collect()).collect();
    assert!(rows.len() < 80, "it was stopped before its end");
    for row in rows {
        assert!(row.len() == 3 && row[1].parse::<u32>().is_ok() && row[2].starts_with("26.98"), "{row:?}");
    }
    assert!(!boards.iter().any(|(board, ..)| board.pin("LED").level()), "their teardowns ran");
}
