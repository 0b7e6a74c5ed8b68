//! Bodies that are missing, are no literal, or are there twice.

use belay::{Device, Result};

#[belay::device]
trait Bodies {
    #[belay::task]
    async fn none(&self) -> Result<u8>;

    #[belay::task]
    async fn empty(&self) -> Result<u8> {}

    #[belay::task]
    async fn rust(&self) -> Result<u8> {
        Ok(1)
    }

    #[belay::task]
    async fn two(&self) -> Result<u8> {
        "x = 1";
        "return x"
    }

    #[belay::task]
    async fn made(&self) -> Result<u8> {
        concat!("return ", "1")
    }

    #[belay::task(file = "py/right.py")]
    async fn both(&self) -> Result<u8> {
        "return 1"
    }

    #[belay::task(file = "py/missing.py")]
    async fn no_file(&self) -> Result<u8>;

    #[belay::task]
    #[belay::setup]
    async fn both_attributes(&self) -> Result<u8> {
        "return 1"
    }

    async fn no_attribute(&self) -> Result<u8> {
        "return 1"
    }

    async fn no_body(&self) -> Result<u8>;
}

#[belay::task]
async fn alone(device: &Device) -> Result<u8> {
    Ok(1)
}

fn main() {}
