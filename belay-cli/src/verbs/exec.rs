//! `belay exec`: ad-hoc Python.

use std::{io::Read as _, time::Duration};

use serde_json::json;

use crate::{
    args::{Port, Timeout},
    board,
    failure::Failure,
    terminal::Terminal,
};

pub(crate) async fn run(
    port: &Port,
    Timeout { timeout }: Timeout,
    code: &str,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let code = if code == "-" { standard_input()? } else { code.to_owned() };
    run_code(port, timeout, &code, terminal).await
}

async fn run_code(port: &Port, timeout: Option<Duration>, code: &str, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open(timeout, terminal).await?;
    let outcome = board::with(&device, terminal, device.session().exec(code)).await;
    board::close(device).await;
    outcome?;
    if terminal.json() { terminal.object(&json!({ "done": true })) } else { Ok(()) }
}

fn standard_input() -> Result<String, Failure> {
    let mut code = String::new();
    std::io::stdin().read_to_string(&mut code).map_err(|error| Failure::system("standard input", error))?;
    Ok(code)
}
