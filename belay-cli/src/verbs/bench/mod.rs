//! `belay bench`: what calls, data, sources and openings cost on a board, in numbers that other tools can be held
//! against.

mod measure;
mod place;
mod plot;
mod tasks;

use std::path::Path;

use serde_json::{Map, json};

use crate::{
    args::Port,
    board,
    failure::Failure,
    figures::{Samples, microseconds},
    terminal::{FAINT, NAME, Terminal},
};
use measure::Figures;
use place::Place;

/// What can be measured, in the order of the report.
pub(crate) const FIGURES: [&str; 10] = [
    "call",
    "call_concurrent_16",
    "first_call",
    "list_1000_int",
    "stream_100",
    "bytes_4096_in",
    "bytes_4096_out",
    "source_4k",
    "attach_cold",
    "attach_warm",
];

pub(crate) async fn run(
    port: &Port,
    wanted: &[String],
    plot: Option<&Path>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let spec = port.spec()?;
    let wants = |figure: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == figure);
    if plot.is_some() && !wants("call") {
        return Err(Failure::Usage("--plot draws the figure `call`: name it too".into()));
    }
    if let Some(file) = plot {
        // Before anything is measured that could then not be shown.
        std::fs::write(file, "").map_err(|error| Failure::system(format!("cannot write {}", file.display()), error))?;
    }
    let place = tokio::select! {
        place = terminal.during("starting the board", Place::new(spec)) => place?,
        () = board::interrupted() => return Err(Failure::Stopped(None)),
    };
    let (board, figures) = measure::measure(&place, &wants, terminal).await?;
    if terminal.json() {
        terminal.object(&to_json(spec, &board, &figures))?;
    } else {
        print(spec, &board, &figures, terminal)?;
    }
    let Some(file) = plot else { return Ok(()) };
    match figures.get("call") {
        Some(Ok(samples)) => plot::latency(file, spec, &board, samples),
        _ => Err(Failure::Usage("there is no plot, because no call was measured".into())),
    }
}

fn to_json(spec: &str, board: &str, figures: &Figures) -> serde_json::Value {
    let mut object = Map::new();
    object.insert("port".into(), spec.into());
    object.insert("board".into(), board.into());
    let mut reasons = Map::new();
    for (name, figure) in figures.iter() {
        let value = match figure {
            Ok(samples) => figure_json(samples),
            Err(reason) => {
                reasons.insert(name.into(), reason.as_str().into());
                serde_json::Value::Null
            }
        };
        object.insert(name.into(), value);
    }
    object.insert("reasons".into(), reasons.into());
    object.into()
}

fn figure_json(samples: &Samples) -> serde_json::Value {
    let traffic = samples.traffic();
    json!({
        "ms_median": microseconds(samples.quantile(0.5)),
        "ms_p99": microseconds(samples.quantile(0.99)),
        "bytes_out": traffic.bytes_out,
        "bytes_in": traffic.bytes_in,
        "turns": traffic.turns,
        "samples": samples.len(),
    })
}

fn print(spec: &str, board: &str, figures: &Figures, terminal: &Terminal) -> Result<(), Failure> {
    terminal.line(format_args!("{spec} ({board})\n"))?;
    terminal.line(format_args!(
        "{FAINT}{:<19}{:>11}{:>11}{:>11}{:>10}{:>7}{:>9}{FAINT:#}",
        "", "median ms", "p99 ms", "bytes out", "bytes in", "turns", "samples"
    ))?;
    for (name, figure) in figures.iter() {
        match figure {
            Ok(samples) => {
                let (median, p99, traffic) = (samples.quantile(0.5), samples.quantile(0.99), samples.traffic());
                terminal.line(format_args!(
                    "{NAME}{name:<19}{NAME:#}{median:>11.3}{p99:>11.3}{:>11}{:>10}{:>7}{:>9}",
                    traffic.bytes_out,
                    traffic.bytes_in,
                    traffic.turns,
                    samples.len()
                ))?;
            }
            Err(reason) => terminal.line(format_args!("{NAME}{name:<19}{NAME:#}{:>11}  {reason}", "none:"))?,
        }
    }
    Ok(())
}
