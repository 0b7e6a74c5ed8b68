//! Python that parses and cannot be meant.

use belay::{Device, Result};

#[belay::device]
trait Meaning {
    #[belay::setup]
    async fn prepare(&self) -> Result<()> {
        "
        import time
        from machine import ADC
        adc = ADC(4)
        total = 0
        "
    }

    #[belay::task]
    async fn typo(&self) -> Result<u16> {
        "
        volts = adc.read_u16()
        return volst
        "
    }

    #[belay::task]
    async fn module(&self) -> Result<f32> {
        "return math.pi"
    }

    #[belay::task]
    async fn nowhere(&self) -> Result<f32> {
        "return spam"
    }

    #[belay::task]
    async fn no_global(&self) -> Result<u32> {
        "
        total += 1
        return total
        "
    }

    #[belay::task]
    async fn no_value(&self) -> Result<u8> {
        "
        x = adc.read_u16()
        print(x)
        "
    }

    #[belay::task]
    async fn generator(&self) -> Result<Vec<u8>> {
        "
        for i in range(3):
            yield i
        "
    }

    #[belay::task]
    fn no_item(&self) -> impl belay::Stream<Item = Result<u16>> {
        "return [adc.read_u16()]"
    }

    #[belay::task]
    async fn adc(&self) -> Result<u16> {
        "return 1"
    }

    #[belay::task]
    async fn hides(&self, os: u8) -> Result<u8> {
        "
        import os
        return os
        "
    }

    #[belay::task]
    async fn hidden(&self, time: u8) -> Result<u8> {
        "return time"
    }
}

/// What is silenced, and what cannot be known.
#[belay::device]
trait Elsewhere {
    #[belay::task]
    async fn silenced(&self) -> Result<u8> {
        "return made_by_boot_py  # noqa"
    }

    #[belay::task]
    async fn unsure(&self) -> Result<u8> {
        "
        exec('x = 1')
        return x
        "
    }
}

#[belay::device]
trait Ending {
    #[belay::teardown]
    async fn off(&self) -> Result<()> {
        "spam.off()"
    }
}

#[belay::task]
async fn alone(device: &Device) -> Result<u8> {
    "return spam"
}

fn main() {}
