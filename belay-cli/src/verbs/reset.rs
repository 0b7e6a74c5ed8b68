//! `belay reset`: a fresh interpreter.

use serde_json::json;

use crate::{args::Port, board, failure::Failure, terminal::Terminal};

pub(crate) async fn run(port: &Port, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open(None, terminal).await?;
    let reset = terminal.during("resetting", device.session().soft_reset());
    let outcome = board::with(&device, terminal, reset).await;
    board::close(device).await;
    outcome?;
    if terminal.json() {
        return terminal.object(&json!({ "port": port.spec()?, "reset": "soft" }));
    }
    terminal.line(format_args!("{} is reset and answers", port.spec()?))
}
