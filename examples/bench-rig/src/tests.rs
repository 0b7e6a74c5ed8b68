//! The judge is judged without any board: by supplies that are made up, and by a line that fails.

use std::sync::atomic::{AtomicU32, Ordering};

use belay::{Error, Reply};
use tower::{BoxError, service_fn, timeout::error::Elapsed};

use super::*;

/// A supply with an inner resistance, and how much is drawn from it.
struct Supply {
    ohms: f32,
    milliamperes: AtomicU32,
}

impl Supply {
    fn new(ohms: f32) -> Self {
        Self { ohms, milliamperes: AtomicU32::new(1000) }
    }
}

impl Rig for Supply {
    async fn draw(&self, milliamperes: u32) -> Result<()> {
        self.milliamperes.store(milliamperes, Ordering::Relaxed);
        Ok(())
    }

    async fn volts(&self, _: u32) -> Result<f32> {
        if self.ohms.is_nan() {
            return Err(Error::Closed { port: "mock".into() });
        }
        Ok(5.0 - self.ohms * self.milliamperes.load(Ordering::Relaxed) as f32 / 1000.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stiff_supply_passes_and_a_soft_one_does_not() -> Result<()> {
    for (ohms, passes) in [(0.1, true), (0.4, true), (0.8, false)] {
        let supply = Supply::new(ohms);
        assert_eq!(test(&supply).await?, passes, "{ohms}");
        assert_eq!(supply.milliamperes.into_inner(), 0, "the load is off");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_load_is_off_after_an_error_too() {
    let broken = Supply::new(f32::NAN);
    assert!(test(&broken).await.is_err());
    assert_eq!(broken.milliamperes.into_inner(), 0);
}

#[tokio::test]
async fn only_readings_are_repeated() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // The first attempt at anything is lost, the second one is answered with 5.0.
    let line = service_fn(|_| async {
        match CALLS.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Err(BoxError::from(Elapsed::new())),
            _ => Ok(Reply::new(vec![0xca, 0x40, 0xa0, 0x00, 0x00])),
        }
    });
    let rig = Device::from_service("mock", line).with_layer(RetryLayer::new(Retry::times(1)));
    assert_eq!(rig.volts(16).await.ok(), Some(5.0));
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    assert!(rig.draw(100).await.is_err(), "nobody knows whether it ran");
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
}
