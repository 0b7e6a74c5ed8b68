//! Finds the best place for a Wi-Fi device: touch an ESP32, and a ring of lights shows how well the best network is heard.
//!
//! `cargo run -p esp32` runs it on a virtual board, `cargo run -p esp32 -- --port /dev/ttyUSB0` on hardware.

use std::time::Duration;

use anyhow::Context as _;
use belay::{Device, Manager, Result, sim};
use serde::Deserialize;
use serde_bytes::ByteBuf;

/// Lights on the ring.
const LIGHTS: usize = 8;

/// A network that the board hears.
#[derive(Debug, Deserialize)]
struct Network {
    name: ByteBuf,
    channel: u8,
    dbm: i32,
}

/// An ESP32 with a touch pad on GPIO 4 and NeoPixels on GPIO 13.
#[belay::device]
trait Meter {
    #[belay::setup]
    async fn prepare(&self, lights: usize) -> Result<()> {
        r#"
        import network
        from machine import Pin, TouchPad
        from neopixel import NeoPixel
        pad = TouchPad(Pin(4))
        idle = pad.read()
        ring = NeoPixel(Pin(13), lights)
        radio = network.WLAN(network.STA_IF)
        radio.active(True)
        "#
    }

    /// Runs when the board is closed, which the manager does however the program ends.
    #[belay::teardown]
    async fn off(&self) -> Result<()> {
        r#"
        ring.fill((0, 0, 0))
        ring.write()
        radio.active(False)
        "#
    }

    /// Whether a finger is on the pad, which then reads much less than it did at the start.
    #[belay::task]
    async fn touched(&self) -> Result<bool> {
        "return pad.read() < idle // 2"
    }

    #[belay::task(timeout = "10s")]
    async fn scan(&self) -> Result<Vec<Network>> {
        r#"
        return [{"name": name, "channel": channel, "dbm": dbm} for name, _, channel, dbm, _, _ in radio.scan()]
        "#
    }

    /// Shows a colour a light.
    #[belay::task]
    async fn show(&self, colours: &[(u8, u8, u8)]) -> Result<()> {
        r#"
        for i, colour in enumerate(colours):
            ring[i] = colour
        ring.write()
        "#
    }
}

/// From nothing at -90 dBm to all lights at -50 dBm, red to green.
fn bar(dbm: i32) -> Vec<(u8, u8, u8)> {
    let lit = ((dbm + 90).clamp(0, 40) as usize * LIGHTS).div_ceil(40);
    let colour = if lit > LIGHTS / 2 { (0, 20, 0) } else { (20, 0, 0) };
    (0..LIGHTS).map(|light| if light < lit { colour } else { (0, 0, 0) }).collect()
}

/// Scans, prints what there is, and lights the ring for the network that is heard best.
async fn measure(board: &impl Meter) -> Result<()> {
    let mut networks = board.scan().await?;
    networks.sort_by_key(|network| -network.dbm);
    for Network { name, channel, dbm } in &networks {
        println!("{dbm:4} dBm  channel {channel:2}  {}", String::from_utf8_lossy(name));
    }
    let best = networks.first().map_or(-90, |network| network.dbm);
    let lights = bar(best);
    println!("{} of {LIGHTS} lights", lights.iter().filter(|light| **light != (0, 0, 0)).count());
    board.show(&lights).await
}

/// Measures whenever the pad is touched.
async fn measure_at_touches(boards: &Manager, port: &str) -> anyhow::Result<()> {
    let board = boards.open(port).await?;
    board.prepare(LIGHTS).await?;
    println!("touch the pad to measure, Ctrl-C to end");
    loop {
        if board.touched().await? {
            measure(&board).await?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--port"), Some(port)) => {
            let boards = Manager::default();
            boards.until_ctrl_c(measure_at_touches(&boards, &port)).await.unwrap_or(Ok(()))
        }
        (None, None) => {
            let (flat, board) = virtual_flat().await?;
            flat.touch(4).set(100);
            if board.touched().await? {
                measure(&board).await?;
            }
            Ok(())
        }
        _ => anyhow::bail!("usage: esp32 [--port PORT], such as --port /dev/ttyUSB0"),
    }
}

/// A virtual ESP32 that hears two networks, and knows its pad untouched.
async fn virtual_flat() -> anyhow::Result<(sim::Board, Device)> {
    let flat = sim::Board::start(&sim::Options::for_family("esp32").context("no such family")?)?;
    let network = |ssid: &str, channel, rssi| sim::Network {
        ssid: ssid.into(),
        channel,
        rssi,
        security: 3,
        ..sim::Network::default()
    };
    flat.set_networks([network("the neighbours", 1, -81), network("home", 6, -62)]);
    let board = Device::builder().connect("virtual", flat.connect()).await?;
    board.prepare(LIGHTS).await?;
    Ok((flat, board))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_ring_shows_the_best_network() -> anyhow::Result<()> {
        let (flat, board) = virtual_flat().await?;
        assert!(!board.touched().await?);
        measure(&board).await?;
        // NeoPixels take green before red.
        let green = [20, 0, 0].repeat(6);
        assert_eq!(flat.pin(13).pixels(), [green, vec![0; 6]].concat());
        Ok(())
    }

    #[test]
    fn more_signal_is_more_lights() {
        let lit = |dbm| bar(dbm).iter().filter(|light| **light != (0, 0, 0)).count();
        assert_eq!([-120, -90, -89, -70, -50, -20].map(lit), [0, 0, 1, 4, 8, 8]);
    }
}
