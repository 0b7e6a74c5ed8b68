//! `belay reset`: a fresh interpreter, or a fresh board.

use serde_json::json;

use crate::{args::Port, board, failure::Failure, terminal::Terminal};

pub(crate) async fn run(port: &Port, hard: bool, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open(terminal).await?;
    let session = device.session();
    let reset = async { if hard { session.hard_reset().await } else { session.soft_reset().await } };
    let outcome = board::with(&device, terminal, terminal.during("resetting", reset)).await;
    board::close(device).await;
    outcome?;
    if terminal.json() {
        return terminal.object(&json!({ "port": port.spec()?, "reset": if hard { "hard" } else { "soft" } }));
    }
    terminal.line(format_args!("{} is reset and answers", port.spec()?))
}
