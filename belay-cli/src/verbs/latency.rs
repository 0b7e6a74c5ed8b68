//! `belay latency`: what a call costs that does nothing.

use std::time::Instant;

use belay::{Device, Result};
use serde_json::json;

use crate::{
    args::Port,
    board,
    failure::Failure,
    figures::{Samples, microseconds},
    terminal::{BAR, FAINT, NAME, Terminal},
};

/// How wide the longest bar of the distribution is, in characters.
const WIDTH: usize = 40;
const BINS: usize = 8;

#[belay::device]
trait Idle {
    /// Nothing, so that all of its time is the way there and back.
    #[belay::task]
    async fn idle(&self) -> Result<()> {
        "pass"
    }
}

pub(crate) async fn run(port: &Port, calls: u32, terminal: &Terminal) -> std::result::Result<(), Failure> {
    let device = port.open(terminal).await?;
    let outcome = board::with(&device, terminal, measure(&device, calls, terminal)).await;
    let board = board::name(&device);
    board::close(device).await;
    let (spec, samples) = (port.spec()?, outcome?);
    let (min, max) = (samples.quantile(0.0), samples.quantile(1.0));
    let (median, p99, mean) = (samples.quantile(0.5), samples.quantile(0.99), samples.mean());
    let each = samples.traffic();
    if terminal.json() {
        return terminal.object(&json!({
            "port": spec, "board": board, "calls": calls,
            "ms_min": microseconds(min), "ms_median": microseconds(median), "ms_mean": microseconds(mean), "ms_p99": microseconds(p99), "ms_max": microseconds(max),
            "bytes_out": each.bytes_out, "bytes_in": each.bytes_in, "turns": each.turns,
        }));
    }
    terminal.line(format_args!("{calls} calls of an empty task on {spec} ({board})"))?;
    terminal.line(format_args!(
        "{} bytes out, {} bytes in, {} turn{} each\n",
        each.bytes_out,
        each.bytes_in,
        each.turns,
        if each.turns == 1 { "" } else { "s" }
    ))?;
    for (name, ms) in [("min", min), ("median", median), ("mean", mean), ("p99", p99), ("max", max)] {
        terminal.line(format_args!("{NAME}{name:<8}{NAME:#}{ms:>9.3} ms"))?;
    }
    terminal.line("")?;
    for (from, to, count) in samples.bins(BINS) {
        let bar = "█".repeat((count * WIDTH).div_ceil(samples.len().max(1)));
        terminal.line(format_args!("{FAINT}{from:>8.3} – {to:>8.3} ms{FAINT:#}  {BAR}{bar}{BAR:#} {count}"))?;
    }
    Ok(())
}

async fn measure(device: &Device, calls: u32, terminal: &Terminal) -> Result<Samples> {
    let mut samples = Samples::default();
    let mut progress = terminal.progress("calling", calls.into());
    // The first call brings the task to the board.
    progress.during(device.idle()).await?;
    for call in 0..calls {
        let (before, begun) = (device.session().traffic(), Instant::now());
        device.idle().await?;
        samples.push(begun.elapsed(), device.session().traffic() - before);
        progress.set(u64::from(call) + 1);
    }
    Ok(samples)
}
