//! Options that do not exist, are given twice, or have the wrong form.

use belay::{Device, Result};

#[belay::device(color = "red")]
trait Unknown {
    #[belay::task(timeuot = "2s")]
    async fn typo(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(timeout = "2s", timeout = "3s")]
    async fn twice(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(timeout = 2, idempotent = true, name = "not a name", memo, family = "esp32")]
    async fn forms(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(timeout = "soon")]
    async fn soon(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(crate = "belay")]
    async fn twice_named(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task = "2s"]
    async fn equals(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::setup(idempotent)]
    async fn prepare(&self) -> Result<()> {
        "x = 1"
    }
}

#[belay::task(crate = "not a path")]
async fn alone(device: &Device) -> Result<u8> {
    "return 1"
}

fn main() {}
