//! A night light: a CircuitPython board looks at a photoresistor, and this program says when its lamp is on.
//!
//! `cargo run -p circuitpython` runs it on a virtual board, `cargo run -p circuitpython -- --port /dev/ttyACM0` on hardware.

use std::time::Duration;

use anyhow::Context as _;
use belay::{Manager, Result, sim};

/// A board with a photoresistor on A0 and a lamp on its LED's pin.
#[belay::device]
trait NightLight {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import board
        from analogio import AnalogIn
        from digitalio import DigitalInOut
        eye = AnalogIn(board.A0)
        lamp = DigitalInOut(board.LED)
        lamp.switch_to_output(value=False)
        "#
    }

    /// Runs when the board is closed, which the manager does however the program ends.
    #[belay::teardown]
    async fn close(&self) -> Result<()> {
        "lamp.value = False"
    }

    /// Percent of the brightest.
    #[belay::task]
    async fn brightness(&self) -> Result<f32> {
        "return eye.value * 100 / 65535"
    }

    /// Switches the lamp, and says whether that changed anything.
    #[belay::task]
    async fn switch(&self, on: bool) -> Result<bool> {
        r#"
        changed = lamp.value != on
        lamp.value = on
        return changed
        "#
    }
}

/// On below 20 %, off above 30 %, and in between as it was, so that it does not flicker at dusk.
fn wanted(brightness: f32, on: bool) -> bool {
    if on { brightness < 30.0 } else { brightness < 20.0 }
}

/// Looks once, and switches the lamp.
async fn look(board: &impl NightLight, on: bool) -> Result<bool> {
    let brightness = board.brightness().await?;
    let on = wanted(brightness, on);
    let note = if board.switch(on).await? { ", switched" } else { "" };
    println!("{brightness:3.0} %: lamp {}{note}", if on { "on" } else { "off" });
    Ok(on)
}

/// Looks once a second.
async fn watch(boards: &Manager, port: &str) -> anyhow::Result<()> {
    let board = boards.open(port).await?;
    let mut on = false;
    loop {
        on = look(&board, on).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// An evening and a morning on a virtual board.
async fn watch_a_virtual_board(boards: &Manager) -> anyhow::Result<()> {
    let options = sim::Options::for_family("circuitpython").context("no such family")?;
    let virtual_board = sim::Board::start(&options)?;
    let line = virtual_board.connect();
    let board = boards.open_with("virtual", |builder| async move { builder.connect("virtual", line).await }).await?;
    let mut on = false;
    for light in [60_000, 25_000, 12_000, 9_000, 15_000, 25_000] {
        virtual_board.adc("A0").set(light);
        on = look(&board, on).await?;
    }
    assert_eq!(virtual_board.pin("LED").level(), on);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let boards = Manager::default();
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--port"), Some(port)) => boards.until_ctrl_c(watch(&boards, &port)).await,
        (None, None) => boards.until_ctrl_c(watch_a_virtual_board(&boards)).await,
        _ => anyhow::bail!("usage: circuitpython [--port PORT], such as --port /dev/ttyACM0"),
    };
    outcome.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A board that is no board: always at dusk.
    #[derive(Default)]
    struct Dusk(AtomicBool);

    impl NightLight for Dusk {
        async fn brightness(&self) -> Result<f32> {
            Ok(25.0)
        }

        async fn switch(&self, on: bool) -> Result<bool> {
            Ok(self.0.swap(on, Ordering::Relaxed) != on)
        }
    }

    #[tokio::test]
    async fn at_dusk_the_lamp_stays_as_it_is() -> Result<()> {
        for on in [false, true] {
            let dusk = Dusk(AtomicBool::new(on));
            assert_eq!(look(&dusk, on).await?, on);
            assert_eq!(dusk.0.into_inner(), on);
        }
        Ok(())
    }
}
