//! Tests 5 V power supplies at the end of a production line: a Pico draws the load and measures, this program judges.
//!
//! `cargo run -p bench-rig` runs it on a virtual board, `cargo run -p bench-rig -- --port /dev/ttyACM0` on hardware.

use std::{process::ExitCode, time::Duration};

use belay::{
    Device, Manager, Result,
    layers::{Metrics, Retry},
    sim,
};
use tokio::time::sleep;
use tower::{ServiceBuilder, retry::RetryLayer, timeout::TimeoutLayer};

/// An electronic load on GP15, and the supply's output halved on GP26.
#[belay::device]
trait Rig {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        from machine import ADC, PWM, Pin
        output = ADC(26)
        sink = PWM(Pin(15), freq=20000, duty_u16=0)
        "#
    }

    /// Runs when the board is closed, which the manager does however the program ends.
    #[belay::teardown]
    async fn off(&self) -> Result<()> {
        "sink.deinit()"
    }

    /// Draws a current; all that the sink can take are 1000 mA.
    #[belay::task]
    async fn draw(&self, milliamperes: u32) -> Result<()> {
        "sink.duty_u16(milliamperes * 65535 // 1000)"
    }

    /// Volts at the output, the mean of some readings.
    #[belay::task(idempotent)]
    async fn volts(&self, readings: u32) -> Result<f32> {
        r#"
        total = 0
        for _ in range(readings):
            total += output.read_u16()
        return total / readings * 2 * 3.3 / 65535
        "#
    }
}

/// Currents in milliamperes, and the least and the most volts that a good supply has there.
const STEPS: [(u32, f32, f32); 3] = [(0, 4.90, 5.10), (250, 4.85, 5.10), (500, 4.75, 5.10)];

/// How long a supply is loaded before it is measured: a weak one sags.
const HOLD: Duration = Duration::from_secs(1);

/// Whether the supply that is on the rig is good; the load is off afterwards, also after an error.
async fn test(rig: &impl Rig) -> Result<bool> {
    let passed = steps(rig).await;
    rig.draw(0).await?;
    passed
}

async fn steps(rig: &impl Rig) -> Result<bool> {
    let mut passed = true;
    for (milliamperes, least, most) in STEPS {
        rig.draw(milliamperes).await?;
        sleep(HOLD).await;
        let volts = rig.volts(16).await?;
        let good = (least..=most).contains(&volts);
        println!("{milliamperes:4} mA  {volts:.2} V  {}", if good { "good" } else { "BAD" });
        passed &= good;
    }
    Ok(passed)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // From the outside in: every call is counted; what is safe to repeat is tried three times more, half a second each.
    let metrics = Metrics::default();
    let stack = ServiceBuilder::new()
        .layer(metrics.layer())
        .layer(RetryLayer::new(Retry::times(3)))
        .layer(TimeoutLayer::new(Duration::from_millis(500)));
    let boards = Manager::new(Device::builder().layer(stack));

    let mut arguments = std::env::args().skip(1);
    let port = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--port"), Some(port)) => Some(port),
        (None, None) => None,
        _ => anyhow::bail!("usage: bench-rig [--port PORT], such as --port /dev/ttyACM0"),
    };
    let program = async {
        match port {
            Some(port) => Ok(test(&boards.open(&port).await?).await?),
            None => on_a_virtual_board(&boards).await,
        }
    };
    let Some(passed) = boards.until_ctrl_c(program).await.transpose()? else {
        anyhow::bail!("stopped by Ctrl-C, with the load off and no verdict");
    };
    for task in metrics.tasks() {
        println!("{}: {} calls", task.name, task.calls());
    }
    println!("{}", if passed { "PASSED" } else { "FAILED" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests a supply of 4.97 V that no load impresses.
async fn on_a_virtual_board(boards: &Manager) -> anyhow::Result<bool> {
    let pico = sim::Board::start(&sim::Options::default())?;
    pico.adc(26).set(49_350);
    let line = pico.connect();
    let rig = boards.open_with("virtual", |builder| async move { builder.connect("virtual", line).await }).await?;
    Ok(test(&rig).await?)
}

#[cfg(test)]
mod tests;
