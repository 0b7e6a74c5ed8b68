//! Logs the temperatures of several Picos into one CSV, with a progress bar for each of them.
//!
//! `cargo run -p data-logger > log.csv` runs it on two virtual boards, `cargo run -p data-logger -- --port /dev/ttyACM0
//! --port /dev/ttyACM1 > log.csv` on hardware.

use belay::{Device, Manager, Result, Stream};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet};

/// How many samples are taken of each board, and how far apart.
const SAMPLES: u32 = 40;
const PERIOD_MS: u32 = 50;

/// What a Pico with its built-in temperature sensor can do.
#[belay::device]
trait Logger {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import time
        from machine import ADC, Pin
        sensor = ADC(4)
        logging = Pin("LED", Pin.OUT, value=1)
        "#
    }

    /// The LED says that the board is being logged.
    #[belay::teardown]
    async fn close(&self) -> Result<()> {
        "logging.off()"
    }

    /// Milliseconds since the first sample, and degrees Celsius. The board keeps the time, so that no line delays it.
    #[belay::task]
    fn samples(&self, count: u32, period_ms: u32) -> impl Stream<Item = Result<(u32, f32)>> {
        r#"
        start = time.ticks_ms()
        for i in range(count):
            time.sleep_ms(max(0, i * period_ms - time.ticks_diff(time.ticks_ms(), start)))
            volts = sensor.read_u16() * 3.3 / 65535
            yield time.ticks_diff(time.ticks_ms(), start), 27 - (volts - 0.706) / 0.001721
        "#
    }
}

/// A line of the log.
#[derive(Debug, Serialize)]
struct Row {
    board: String,
    milliseconds: u32,
    celsius: f32,
}

/// Sends the samples of one board to the log.
async fn log(board: Device, bar: ProgressBar, log: mpsc::Sender<Row>) -> Result<()> {
    let port = board.session().port().to_owned();
    let mut samples = board.samples(SAMPLES, PERIOD_MS);
    while let Some(sample) = samples.next().await {
        let (milliseconds, celsius) = sample?;
        let row = Row { board: port.clone(), milliseconds, celsius };
        if log.send(row).await.is_err() {
            break; // Nobody writes any more, and says why.
        }
        bar.inc(1);
    }
    Ok(())
}

/// Logs all ports at the same time, until each has given its samples or one has failed.
async fn log_all(boards: &Manager, ports: &[String]) -> anyhow::Result<()> {
    // On the error output, and only if that is a terminal.
    let bars = MultiProgress::new();
    let style = ProgressStyle::with_template("{msg:20} {wide_bar} {pos}/{len}")?;
    let (sender, mut rows) = mpsc::channel(64);
    let mut logging = JoinSet::new();
    for port in ports {
        let bar = ProgressBar::new(SAMPLES.into()).with_style(style.clone()).with_message(port.clone());
        logging.spawn(log(boards.open(port).await?, bars.add(bar), sender.clone()));
    }
    drop(sender);
    let mut csv = csv::Writer::from_writer(std::io::stdout());
    while let Some(row) = rows.recv().await {
        csv.serialize(row)?;
        // At once, so that a log that is cut short has all rows until then.
        csv.flush()?;
    }
    while let Some(outcome) = logging.join_next().await {
        outcome??;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut ports = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--port", Some(port)) => ports.push(port),
            _ => anyhow::bail!("usage: data-logger [--port PORT]..., such as --port /dev/ttyACM0"),
        }
    }
    if ports.is_empty() {
        ports = vec!["sim:pico".into(), "sim:pico2".into()];
    }
    let boards = Manager::default();
    match boards.until_ctrl_c(log_all(&boards, &ports)).await {
        Some(outcome) => outcome,
        None => anyhow::bail!("stopped by Ctrl-C"),
    }
}
