//! `deprecated` and visibility are carried.

#![deny(deprecated)]

mod inner {
    use belay::{Device, Result};

    #[belay::device]
    pub trait Old {
        #[belay::task]
        #[deprecated = "use `new`"]
        async fn old(&self) -> Result<u8> {
            "return 1"
        }
    }

    #[belay::task]
    async fn private(device: &Device) -> Result<u8> {
        "return 1"
    }
}

async fn use_them(device: &belay::Device) {
    use inner::Old;

    let _ = device.old().await;
    let _ = inner::private(device).await;
}

fn main() {}
