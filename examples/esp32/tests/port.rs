//! The program on a port, as on hardware, and what is left running on the board after Ctrl-C: nothing.

#![cfg(unix)]

#[path = "../../../tests/common/program.rs"]
mod program;

use belay::sim;
use program::{Program, board, shown};

#[tokio::test]
async fn a_touch_lights_the_ring_until_ctrl_c() {
    let (board, _terminal, port) = board("esp32");
    let network = |ssid: &str, channel, rssi| sim::Network {
        ssid: ssid.into(),
        channel,
        rssi,
        security: 3,
        ..sim::Network::default()
    };
    board.set_networks([network("the neighbours", 1, -81), network("home", 6, -62)]);
    let mut program = Program::start(env!("CARGO_BIN_EXE_esp32"), &["--port", &port]);
    program.lines(1).await;
    board.touch(4).set(100);
    // It measures again and again while it is touched, and lights the ring after it has printed.
    program.lines(5).await;
    let shown = shown(include_str!("../README.md"));
    assert!(program.printed.starts_with(&format!("touch the pad to measure, Ctrl-C to end\n{shown}")));
    assert_eq!(board.pin(13).pixels()[..3], [20, 0, 0]);
    program.interrupt();
    assert_eq!(program.end().await, (true, String::new()));
    assert_eq!(board.pin(13).pixels(), [0; 24]);
}
