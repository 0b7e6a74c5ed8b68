//! Whatever is wrong with a body, an option or a parameter, its own signature and the other methods of the trait stay as
//! they are: the other errors here are the mistakes of the callers.

use belay::{Device, Result};

#[belay::device]
trait Typed {
    #[belay::task]
    async fn broken(&self, pin: u8) -> Result<u8> {
        "return pin +"
    }

    #[belay::task(color = "red")]
    async fn odd_option(&self, pin: u8) -> Result<u8> {
        "return pin"
    }

    #[belay::task]
    async fn no_body(&self, pin: u8) -> Result<u8>;

    #[belay::task(file = "py/missing.py")]
    async fn no_file(&self, pin: u8) -> Result<u8>;

    #[belay::task]
    async fn pattern(&self, (pin, _): (u8, u8)) -> Result<u8> {
        "return pin"
    }

    #[belay::task]
    fn stream(&self) -> impl belay::Stream<Item = Result<u8>> {
        "return 1"
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
    let others: u8 = device.odd_option(5).await?
        + device.no_body(6).await?
        + device.no_file(7).await?
        + device.pattern((8, 9)).await?
        + device.stream().next().await.transpose()?.unwrap_or(0);
    let wrong: String = device.whole(4).await?;
    Ok(whole + others + half as u8 + wrong.len() as u8)
}

fn main() {}
