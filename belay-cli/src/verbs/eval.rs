//! `belay eval`: the value of a Python expression.

use serde_json::json;

use crate::{
    args::{Port, Timeout},
    board,
    failure::Failure,
    terminal::Terminal,
    value::Value,
};

pub(crate) async fn run(port: &Port, timeout: Timeout, expression: &str, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open_for_code(timeout, terminal).await?;
    let outcome = board::run(&device, terminal, device.session().eval::<Value>(expression)).await;
    board::close(device).await;
    let value = outcome?;
    if terminal.json() { terminal.object(&json!({ "value": value.to_json() })) } else { terminal.line(value) }
}
