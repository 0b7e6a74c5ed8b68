//! A Pico as a thermometer: a setup, tasks, a print from the board, an exception that is handled.
//!
//! `cargo run -p quickstart` runs it on a virtual board, `cargo run -p quickstart -- --port /dev/ttyACM0` on hardware.

use belay::{Device, Error, Result};

/// What a Pico with its built-in temperature sensor can do.
#[belay::device]
trait Thermometer {
    /// Runs by itself, once per boot of the board, before the first task.
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        from machine import ADC
        adc = ADC(4)
        "#
    }

    /// Degrees Celsius, the mean of some readings.
    #[belay::task(timeout = "2s")]
    async fn read_temp(&self, readings: u32) -> Result<f32> {
        r#"
        total = 0
        for _ in range(readings):
            total += adc.read_u16()
        volts = total / readings * 3.3 / 65535
        return 27 - (volts - 0.706) / 0.001721
        "#
    }

    /// Says something on the board's console and counts the characters.
    #[belay::task]
    async fn greet(&self, name: &str) -> Result<usize> {
        r#"
        text = "hello from the board, " + name
        print(text)
        return len(text)
        "#
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = match (arguments.next().as_deref(), arguments.next()) {
        (None, None) => "sim:pico".to_owned(),
        (Some("--port"), Some(port)) => port,
        _ => anyhow::bail!("usage: quickstart [--port PORT], such as --port /dev/ttyACM0"),
    };

    let sensor = Device::open(&port).await?;
    let mut printed = sensor.session().output();
    if let Some(board) = sensor.session().capabilities() {
        println!("connected to {} {} on {port}", board.implementation, board.version);
    }

    let characters = sensor.greet("Rust").await?;
    print!("printed by the board: {}", printed.take_text());
    println!("                      ({characters} characters)");

    for _ in 0..3 {
        println!("{:.1} °C", sensor.read_temp(8).await?);
    }

    // The mean of no readings: Python raises, and the error knows where.
    match sensor.read_temp(0).await {
        Err(Error::Exception { exception, .. }) => println!("\nno readings, no mean:\n{exception}"),
        other => println!("expected an exception, got {other:?}"),
    }

    println!("\nand the board goes on: {:.1} °C", sensor.read_temp(1).await?);
    Ok(())
}
