//! A broken body leaves its own signature and the other methods of the trait as they are: the one other error here
//! is the mistake in `main`.

use belay::{Device, Result};

#[belay::device]
trait Typed {
    #[belay::task]
    async fn broken(&self, pin: u8) -> Result<u8> {
        "return pin +"
    }

    #[belay::task]
    async fn whole(&self, pin: u8) -> Result<f32> {
        "return pin / 2"
    }
}

#[belay::task]
async fn broken_alone(device: &Device, pin: u8) -> Result<u8> {
    "return pin +"
}

async fn use_them(device: &Device) -> Result<u8> {
    let half: f32 = device.whole(1).await?;
    let whole: u8 = device.broken(2).await? + broken_alone(device, 3).await?;
    let wrong: String = device.whole(4).await?;
    Ok(whole + half as u8 + wrong.len() as u8)
}

fn main() {}
