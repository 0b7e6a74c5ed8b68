//! Keeps a box of electronics cool: a Pico measures with the sensor that it has inside, and drives a fan.
//!
//! `cargo run -p pico` runs it on a virtual board, `cargo run -p pico -- --port /dev/ttyACM0` on hardware, until Ctrl-C.

use belay::{Error, Manager, Result, Stream, Thread};
use tokio_stream::StreamExt as _;

/// A Pico with a fan on GP15.
#[belay::device]
trait Cooler {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import time
        from machine import ADC, PWM, Pin
        sensor = ADC(4)
        fan = PWM(Pin(15), freq=25000, duty_u16=0)
        led = Pin("LED", Pin.OUT)
        "#
    }

    /// Runs when the board is closed, which the manager does however the program ends.
    #[belay::teardown]
    async fn off(&self) -> Result<()> {
        r#"
        fan.deinit()
        led.off()
        "#
    }

    /// Blinks, beside everything else.
    #[belay::thread]
    async fn heartbeat(&self) -> Result<Thread> {
        r#"
        while True:
            led.toggle()
            time.sleep_ms(500)
            yield
        "#
    }

    /// Degrees Celsius, so many times.
    #[belay::task]
    fn temperatures(&self, count: u32, period_ms: u32) -> impl Stream<Item = Result<f32>> {
        r#"
        for _ in range(count):
            volts = sensor.read_u16() * 3.3 / 65535
            yield 27 - (volts - 0.706) / 0.001721
            time.sleep_ms(period_ms)
        "#
    }

    /// Sets the fan's speed.
    #[belay::task]
    async fn set_fan(&self, percent: u32) -> Result<()> {
        "fan.duty_u16(percent * 65535 // 100)"
    }
}

/// The speed in percent that a temperature asks for: none up to 25 °C, all from 45 °C on.
fn speed(celsius: f32) -> u32 {
    ((celsius - 25.0) * 5.0).clamp(0.0, 100.0).round() as u32
}

/// Measures so many times, and lets the fan follow.
async fn cool(board: &impl Cooler, count: u32) -> Result<()> {
    let mut temperatures = board.temperatures(count, 100);
    while let Some(celsius) = temperatures.next().await {
        let celsius = celsius?;
        let percent = speed(celsius);
        board.set_fan(percent).await?;
        println!("{celsius:.1} °C: fan at {percent} %");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (port, count) = match (arguments.next().as_deref(), arguments.next()) {
        (None, None) => ("sim:pico".to_owned(), 5),
        (Some("--port"), Some(port)) => (port, u32::MAX),
        _ => anyhow::bail!("usage: pico [--port PORT], such as --port /dev/ttyACM0"),
    };
    let boards = Manager::default();
    let program = async {
        let board = boards.open(&port).await?;
        let heartbeat = match board.heartbeat().await {
            Err(Error::Unsupported { .. }) => {
                println!("no heartbeat: this board has no threads");
                None
            }
            started => Some(started?),
        };
        cool(&board, count).await?;
        if let Some(heartbeat) = heartbeat {
            heartbeat.stop().await?;
        }
        Ok(())
    };
    boards.until_ctrl_c(program).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use belay::{Device, sim};

    use super::*;

    #[tokio::test]
    async fn a_hot_box_gets_all_that_the_fan_has() -> anyhow::Result<()> {
        let pico = sim::Board::start(&sim::Options::default())?;
        let board = Device::builder().connect("virtual", pico.connect()).await?;
        // 0.655 V are about 57 °C.
        pico.adc(4).set(13_000);
        cool(&board, 1).await?;
        assert_eq!(pico.pin(15).pwm(), Some((25_000, 65_535)));
        board.close().await?;
        assert_eq!(pico.pin(15).pwm(), None);
        Ok(())
    }

    #[test]
    fn the_fan_follows_the_temperature() {
        assert_eq!([20.0, 25.0, 27.0, 45.0, 80.0].map(speed), [0, 0, 10, 100, 100]);
    }
}
