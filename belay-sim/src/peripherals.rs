//! What is soldered to the board: values that the test sets and the board's Python reads through a device file.

use std::collections::BTreeMap;

/// Path of the device file that `python/machine.py` asks.
pub(crate) const DEVICE: &str = "/dev/board";

/// The pico's temperature sensor at about 27 °C: 0.706 V of 3.3 V.
const ROOM_TEMPERATURE: u16 = 14_021;
const TEMPERATURE_CHANNEL: u32 = 4;

#[derive(Debug)]
pub(crate) struct Peripherals {
    adc: BTreeMap<u32, u16>,
}

impl Default for Peripherals {
    fn default() -> Self {
        Self { adc: BTreeMap::from([(TEMPERATURE_CHANNEL, ROOM_TEMPERATURE)]) }
    }
}

impl Peripherals {
    pub(crate) fn set_adc(&mut self, channel: u32, value: u16) {
        self.adc.insert(channel, value);
    }

    /// Answers one request of the board's modules with a Python expression.
    pub(crate) fn answer(&mut self, request: &str) -> String {
        let mut words = request.split(' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match request.split(' ').next() {
            Some("adc") => {
                let _ = number();
                self.adc.get(&number()).copied().unwrap_or(0).to_string()
            }
            _ => "None".into(),
        }
    }
}
