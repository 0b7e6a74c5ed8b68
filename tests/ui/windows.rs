//! A file with the line ends of Windows.

use belay::{Device, Result};

#[belay::task]
async fn task(device: &Device) -> Result<u8> {
    r#"
    x = 1
    return x x
    "#
}

#[belay::task]
async fn plain(device: &Device) -> Result<u8> {
    "
    x = 1
    return spam
    "
}

fn main() {}
