//! `belay exec` and `belay run`: Python of the moment, and of a file.

use std::{io::Read as _, path::Path};

use belay::Device;
use serde_json::json;

use crate::{
    args::{Port, Timeout},
    board,
    failure::Failure,
    terminal::Terminal,
};

pub(crate) async fn run_code(port: &Port, timeout: Timeout, code: &str, terminal: &Terminal) -> Result<(), Failure> {
    let code = if code == "-" { standard_input()? } else { code.to_owned() };
    run(port, timeout, terminal, async |device: &Device| device.session().exec(&code).await).await
}

pub(crate) async fn run_file(port: &Port, timeout: Timeout, file: &Path, terminal: &Terminal) -> Result<(), Failure> {
    // Before the board is opened for it.
    std::fs::File::open(file).map_err(|error| Failure::system(format!("cannot read {}", file.display()), error))?;
    run(port, timeout, terminal, async |device: &Device| device.session().run_file(file).await).await
}

async fn run(
    port: &Port,
    timeout: Timeout,
    terminal: &Terminal,
    work: impl AsyncFnOnce(&Device) -> belay::Result<()>,
) -> Result<(), Failure> {
    let device = port.open_for_code(timeout, terminal).await?;
    let outcome = board::run(&device, terminal, work(&device)).await;
    board::close(device).await;
    outcome?;
    if terminal.json() { terminal.object(&json!({ "done": true })) } else { Ok(()) }
}

fn standard_input() -> Result<String, Failure> {
    let mut code = String::new();
    std::io::stdin().read_to_string(&mut code).map_err(|error| Failure::system("standard input", error))?;
    Ok(code)
}
