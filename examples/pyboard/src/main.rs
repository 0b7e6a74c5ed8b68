//! Keeps a platform level: a pyboard's accelerometer says how it tilts, and a servo turns the platform back.
//!
//! `cargo run -p pyboard` runs it on a virtual board, `cargo run -p pyboard -- --port /dev/ttyACM0` on hardware.

use anyhow::Context as _;
use belay::{Device, Manager, Result, Stream, sim};

/// A pyboard with a servo on X1.
#[belay::device]
trait Platform {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import pyb
        accelerometer = pyb.Accel()
        servo = pyb.Servo(1)
        level = pyb.LED(2)
        "#
    }

    /// Runs when the board is closed, which the manager does however the program ends.
    #[belay::teardown]
    async fn rest(&self) -> Result<()> {
        r#"
        servo.angle(0)
        level.off()
        "#
    }

    /// The acceleration along x and z, again and again, for as long as somebody reads.
    #[belay::task]
    fn accelerations(&self, period_ms: u32) -> impl Stream<Item = Result<(i32, i32)>> {
        r#"
        while True:
            yield accelerometer.x(), accelerometer.z()
            pyb.delay(period_ms)
        "#
    }

    /// Turns the servo, and lights the green LED while the platform is level.
    #[belay::task]
    async fn turn(&self, degrees: i32) -> Result<()> {
        r#"
        servo.angle(degrees)
        level.intensity(0 if degrees else 255)
        "#
    }
}

/// Degrees around y, from the direction in which gravity pulls.
fn tilt((x, z): (i32, i32)) -> i32 {
    f64::from(x).atan2(f64::from(z)).to_degrees().round() as i32
}

/// Turns the platform against an acceleration, and prints how it is tilted if that is new.
async fn level(board: &impl Platform, acceleration: (i32, i32), was: Option<i32>) -> Result<i32> {
    let degrees = tilt(acceleration);
    if was != Some(degrees) {
        board.turn(-degrees).await?;
        println!("tilted {degrees:3}°, servo at {:3}°", -degrees);
    }
    Ok(degrees)
}

/// Keeps the platform level for as long as the board sends accelerations.
async fn keep_level(boards: &Manager, port: &str) -> anyhow::Result<()> {
    let board = boards.open(port).await?;
    let mut accelerations = board.accelerations(20);
    let mut was = None;
    while let Some(acceleration) = accelerations.next().await {
        was = Some(level(&board, acceleration?, was).await?);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--port"), Some(port)) => {
            let boards = Manager::default();
            boards.until_ctrl_c(keep_level(&boards, &port)).await.unwrap_or(Ok(()))
        }
        (None, None) => {
            let table = sim::Board::start(&sim::Options::for_family("pyboard").context("no such family")?)?;
            let board = Device::builder().connect("virtual", table.connect()).await?;
            for axes in [[0, 0, 21], [4, 0, 20], [11, 0, 18], [-15, 0, 15], [0, 0, 21]] {
                table.set_acceleration(axes);
                // A stream that is dropped ends its generator.
                if let Some(acceleration) = board.accelerations(20).next().await {
                    level(&board, acceleration?, None).await?;
                }
            }
            Ok(())
        }
        _ => anyhow::bail!("usage: pyboard [--port PORT], such as --port /dev/ttyACM0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_servo_turns_against_the_tilt() -> anyhow::Result<()> {
        let table = sim::Board::start(&sim::Options::for_family("pyboard").context("no such family")?)?;
        let board = Device::builder().connect("virtual", table.connect()).await?;
        board.turn(-45).await?;
        // A pulse of 1.075 ms, fifty times a second.
        assert_eq!(table.pin("X1").pwm(), Some((50, 3522)));
        assert!(!table.pin("LED_GREEN").level());
        board.turn(0).await?;
        assert!(table.pin("LED_GREEN").level());
        Ok(())
    }

    #[test]
    fn gravity_says_how_it_tilts() {
        assert_eq!([(0, 21), (21, 0), (-21, 0), (15, 15), (0, -21)].map(tilt), [0, 90, -90, 45, 180]);
    }
}
