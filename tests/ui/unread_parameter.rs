//! A parameter that the body never reads: the compiler's own warning, with its own ways to silence it.

#![deny(unused_variables)]

use belay::{Device, Result};

#[belay::device]
trait Unread {
    #[belay::task]
    async fn unread(&self, pin: u8) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn underscore(&self, _pin: u8) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    #[allow(unused_variables)]
    async fn allowed(&self, pin: u8) -> Result<u8> {
        "return 1"
    }

    #[belay::task]
    async fn hidden_use(&self, pin: u8) -> Result<u8> {
        "return eval('pin')"
    }
}

#[belay::task]
async fn alone(device: &Device, pin: u8) -> Result<u8> {
    "return 1"
}

fn main() {}
