//! The log that the program writes of its two virtual boards: times differ, everything else does not.

use std::process::Command;

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_data-logger")).args(arguments).output().expect("it starts");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_sample_of_every_board_is_a_row() {
    let (success, log, errors) = run(&[]);
    assert!(success, "{errors}");
    assert_eq!(errors, "", "bars are for terminals");
    let mut rows = log.lines();
    assert_eq!(rows.next(), Some("board,milliseconds,celsius"));
    let rows: Vec<Vec<_>> = rows.map(|row| row.split(',').collect()).collect();
    for board in ["sim:pico", "sim:pico2"] {
        let times: Vec<u32> =
            rows.iter().filter(|row| row[0] == board).map(|row| row[1].parse().expect("a time")).collect();
        assert_eq!(times.len(), 40, "{log}");
        assert!(times.iter().enumerate().all(|(i, time)| *time >= i as u32 * 50), "{times:?}");
    }
    assert!(rows.iter().all(|row| row[2].starts_with("26.98")), "{log}");
}

#[test]
fn a_port_that_is_none_is_named() {
    let (success, _, errors) = run(&["--port", "/dev/nothing"]);
    assert!(!success && errors.contains("/dev/nothing"), "{errors}");
}
