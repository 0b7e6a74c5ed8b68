//! `belay info`: what a board is and what it can do, as a table.

use std::fmt::Display;

use belay::{Capabilities, Error};
use serde_json::json;

use crate::{
    args::Port,
    board,
    failure::Failure,
    terminal::{NAME, Terminal},
};

pub(crate) async fn run(port: &Port, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open(None, terminal).await?;
    let spec = port.spec()?;
    let (board, traffic) = (device.session().capabilities(), device.session().traffic());
    board::close(device).await;
    let Some(board) = board else {
        let reason = "it said nothing of itself".to_owned();
        return Err(Error::Protocol { port: spec.to_owned(), reason }.into());
    };
    if terminal.json() {
        return terminal.object(&json!({
            "port": spec,
            "implementation": board.implementation,
            "version": board.version,
            "platform": board.platform,
            "free_heap": board.free_heap,
            "raw_paste_window": board.raw_paste,
            "float_bits": board.float_bits,
            "threads": board.threads,
            "compile": board.compile,
            "attach": { "bytes_out": traffic.bytes_out, "bytes_in": traffic.bytes_in, "turns": traffic.turns },
        }));
    }
    for (name, value) in rows(spec, &board) {
        terminal.line(format_args!("{NAME}{name:<16}{NAME:#} {value}"))?;
    }
    Ok(())
}

fn rows(spec: &str, board: &Capabilities) -> Vec<(&'static str, Box<dyn Display>)> {
    let yes = |yes| if yes { "yes" } else { "no" };
    let heap = match board.free_heap {
        0 => "not said".to_owned(),
        bytes => format!("{:.1} KB", f64::from(bytes) / 1024.0),
    };
    let raw_paste = match board.raw_paste {
        Some(window) => format!("yes, windows of {window} bytes"),
        None => "no: sources go in checked pieces".to_owned(),
    };
    vec![
        ("port", Box::new(spec.to_owned())),
        ("implementation", Box::new(format!("{} {}", board.implementation, board.version))),
        ("platform", Box::new(board.platform.clone())),
        ("free heap", Box::new(heap)),
        ("raw-paste", Box::new(raw_paste)),
        ("floats", Box::new(format!("{} bits", board.float_bits))),
        ("threads", Box::new(yes(board.threads))),
    ]
}
