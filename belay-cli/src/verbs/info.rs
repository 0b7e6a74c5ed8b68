//! `belay info`: what a board is and what it can do, as a table.

use belay::{Capabilities, Error, Traffic, Trust};
use serde_json::json;

use crate::{
    args::Port,
    board,
    failure::Failure,
    figures::microseconds,
    terminal::{NAME, Terminal},
};

pub(crate) async fn run(port: &Port, terminal: &Terminal) -> Result<(), Failure> {
    let device = port.open(terminal).await?;
    let spec = port.spec()?;
    // What it takes to get hold of the board, before anything else is asked of it.
    let traffic = device.session().traffic();
    // A call that does nothing stands for all: without one no turn has been timed.
    let asking = terminal.during("asking the board", device.session().exec("pass"));
    let asked = board::with(&device, terminal, asking).await;
    let board = device.session().capabilities();
    board::close(device).await;
    asked?;
    let Some(board) = board else {
        let reason = "it said nothing of itself".to_owned();
        return Err(Error::Protocol { port: spec.to_owned(), reason }.into());
    };
    if terminal.json() {
        let attach = json!({ "bytes_out": traffic.bytes_out, "bytes_in": traffic.bytes_in, "turns": traffic.turns });
        return terminal.object(&json!({ "port": spec, "board": board, "attach": attach }));
    }
    for (name, value) in rows(spec, &board, traffic) {
        terminal.line(format_args!("{NAME}{name:<15}{NAME:#} {value}"))?;
    }
    Ok(())
}

fn rows(spec: &str, board: &Capabilities, attach: Traffic) -> Vec<(&'static str, String)> {
    let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ("port", spec.to_owned()),
        ("implementation", format!("{} {}", board.implementation, board.version)),
        ("platform", board.platform.clone()),
    ];
    if let Some(id) = &board.unique_id {
        rows.push(("unique id", id.clone()));
    }
    rows.push(match board.free_heap {
        0 => ("free heap", "not said".to_owned()),
        bytes => ("free heap", format!("{:.1} KB", f64::from(bytes) / 1024.0)),
    });
    rows.push(match board.raw_paste {
        Some(window) => ("raw-paste", format!("yes, windows of {window} bytes")),
        None => ("raw-paste", "no: sources go in checked pieces".to_owned()),
    });
    rows.push(("input", format!("{} bytes may lie unread", board.input_credit)));
    rows.push(match board.trust {
        Trust::Trusted => ("line", "trusted: calls travel bare".to_owned()),
        Trust::Verified => ("line", "verified: calls and replies carry checks".to_owned()),
    });
    rows.push(("floats", format!("{} bits", board.float_bits)));
    rows.push(("threads", yes(board.threads)));
    if !board.modules.is_empty() {
        rows.push(("modules", board.modules.join(", ")));
    }
    if let Some(time) = board.turn_time {
        rows.push(("turn", format!("{:.3} ms", microseconds(time.as_secs_f64() * 1000.0))));
    }
    if let Some(obeys) = board.obeys_ctrl_c {
        rows.push(("obeys Ctrl-C", yes(obeys)));
    }
    rows.push((
        "opened with",
        format!("{} bytes out, {} in, {} turns", attach.bytes_out, attach.bytes_in, attach.turns),
    ));
    rows
}
