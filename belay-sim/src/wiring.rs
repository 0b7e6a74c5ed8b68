//! The test's hands on the board's pins and buses: what a sensor reads, what an actuator was told.

use std::fmt::Display;

use crate::Board;
use crate::peripherals::{Peripherals, Registers, literal};

impl Board {
    /// The input of an analogue pin, for `machine.ADC(channel)` on the board, or CircuitPython's `AnalogIn(board.A0)`.
    ///
    /// Channel 4 of a pico is its temperature sensor, at about 27 °C until it is set; the others are at 0 V.
    #[must_use]
    pub fn adc(&self, channel: impl Display) -> Adc<'_> {
        Adc { board: self, channel: channel.to_string() }
    }

    /// A touch pad, for `machine.TouchPad(pin)` of an ESP32.
    #[must_use]
    pub fn touch(&self, pin: impl Display) -> Touch<'_> {
        Touch { board: self, pin: pin.to_string() }
    }

    /// Sets what the pyboard's `pyb.Accel()` reads: x, y and z in steps of 1/21 of the earth's gravity, -32 to 31. It lies on
    /// the table, 0, 0 and 21, until it is set.
    pub fn set_acceleration(&self, axes: [i8; 3]) {
        self.wired(|all| all.acceleration = axes.map(|axis| axis.clamp(-32, 31)));
    }

    /// Sets which networks `network.WLAN(network.STA_IF).scan()` finds: none until it is set.
    pub fn set_networks(&self, networks: impl IntoIterator<Item = Network>) {
        self.wired(|all| all.networks = networks.into_iter().collect());
    }

    /// A pin by the name that the board's Python has for it: `25`, `"LED"`. On a pyboard a servo is `"X1"` to `"X4"`, a LED
    /// `"LED_RED"`, …, the switch `"SW"`; where CircuitPython's `board` has two names for a pin it is not the one with `GP`.
    #[must_use]
    pub fn pin(&self, name: impl Display) -> Pin<'_> {
        Pin { board: self, name: name.to_string() }
    }

    /// An I²C bus, for `machine.I2C(id)`; `SoftI2C` is bus 0.
    #[must_use]
    pub fn i2c(&self, id: u32) -> I2c<'_> {
        I2c { board: self, id }
    }

    /// An SPI bus, for `machine.SPI(id)`; `SoftSPI` is bus 0.
    #[must_use]
    pub fn spi(&self, id: u32) -> Spi<'_> {
        Spi { board: self, id }
    }

    /// A UART, for `machine.UART(id)`; not the one that the REPL is on.
    #[must_use]
    pub fn uart(&self, id: u32) -> Uart<'_> {
        Uart { board: self, id }
    }

    fn wired<R>(&self, action: impl FnOnce(&mut Peripherals) -> R) -> R {
        let result = action(&mut self.storage().peripherals());
        self.nudge();
        result
    }
}

/// An analogue input of a [`Board`].
#[derive(Debug)]
pub struct Adc<'a> {
    board: &'a Board,
    channel: String,
}

impl Adc<'_> {
    /// Sets what `read_u16()` returns from now on: 65535 is the reference voltage, 3.3 V on most boards.
    pub fn set(&self, value: u16) {
        self.board.wired(|all| all.adc.insert(self.channel.clone(), value));
    }
}

/// A touch pad of a [`Board`].
#[derive(Debug)]
pub struct Touch<'a> {
    board: &'a Board,
    pin: String,
}

impl Touch<'_> {
    /// Sets what `read()` returns from now on: about 600 untouched, as until it is set, and less when touched.
    pub fn set(&self, value: u16) {
        self.board.wired(|all| all.touch.insert(self.pin.clone(), value));
    }
}

/// A wireless network that a [`Board`] sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub ssid: String,
    /// The address of its access point.
    pub bssid: [u8; 6],
    /// The channel that it is on.
    pub channel: u8,
    /// How well it is heard, in dBm: -30 is near, -90 far.
    pub rssi: i8,
    /// MicroPython's number of its security: 0 is open, 3 is WPA2.
    pub security: u8,
    /// Whether it keeps its name to itself.
    pub hidden: bool,
}

impl Network {
    /// As an item of the list that `scan()` returns.
    pub(crate) fn tuple(&self) -> String {
        let Self { ssid, bssid, channel, rssi, security, hidden } = self;
        let hidden = if *hidden { "True" } else { "False" };
        format!("({},{},{channel},{rssi},{security},{hidden})", literal(ssid.as_bytes()), literal(bssid))
    }
}

/// A digital pin of a [`Board`].
#[derive(Debug)]
pub struct Pin<'a> {
    board: &'a Board,
    name: String,
}

impl Pin<'_> {
    /// Drives an input of the board; its `Pin.irq` handlers see the edge.
    pub fn set(&self, level: bool) {
        self.board.wired(|all| all.drive(&self.name, level));
    }

    /// The level that a meter shows: what the board drives an output to, else what [`Pin::set`] set, else the pull-up.
    #[must_use]
    pub fn level(&self) -> bool {
        self.board.wired(|all| all.pin(&self.name).level())
    }

    /// Every level that the board wrote since it was last asked, in order, up to 65,536 of them.
    #[must_use]
    pub fn take_writes(&self) -> Vec<bool> {
        self.board.wired(|all| std::mem::take(&mut all.pin(&self.name).writes))
    }

    /// Hertz and duty (65535 is always on) while the pin carries a PWM signal.
    #[must_use]
    pub fn pwm(&self) -> Option<(u32, u16)> {
        self.board.wired(|all| all.pin(&self.name).pwm)
    }

    /// What `neopixel.NeoPixel.write()` last sent, one byte a colour: green, red, blue.
    #[must_use]
    pub fn pixels(&self) -> Vec<u8> {
        self.board.wired(|all| all.pin(&self.name).pixels.clone())
    }
}

/// An I²C bus of a [`Board`].
#[derive(Debug)]
pub struct I2c<'a> {
    board: &'a Board,
    id: u32,
}

impl I2c<'_> {
    /// Puts a device on the bus, or replaces it: up to 256 registers of a byte, as most sensors have them. The first byte
    /// written to it chooses a register, further ones are stored there and behind; reads go on from there.
    pub fn attach(&self, address: u8, registers: &[u8]) {
        let device = Registers { bytes: registers.to_vec(), next: 0 };
        self.board.wired(|all| all.i2c.insert((self.id, address.into()), device));
    }

    /// The registers as they are now; `None` if nothing is attached there.
    #[must_use]
    pub fn registers(&self, address: u8) -> Option<Vec<u8>> {
        self.board.wired(|all| all.i2c.get(&(self.id, address.into())).map(|device| device.bytes.clone()))
    }
}

/// An SPI bus of a [`Board`].
#[derive(Debug)]
pub struct Spi<'a> {
    board: &'a Board,
    id: u32,
}

impl Spi<'_> {
    /// Bytes for the board to read, one for each that it writes; zeros after them.
    pub fn feed(&self, bytes: &[u8]) {
        self.board.wired(|all| all.spi.entry(self.id).or_default().input.extend(bytes));
    }

    /// What the board wrote since it was last asked, up to 64 KB.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.board.wired(|all| std::mem::take(&mut all.spi.entry(self.id).or_default().output))
    }
}

/// A UART of a [`Board`].
#[derive(Debug)]
pub struct Uart<'a> {
    board: &'a Board,
    id: u32,
}

impl Uart<'_> {
    /// Bytes for the board to read.
    pub fn feed(&self, bytes: &[u8]) {
        self.board.wired(|all| all.uart.entry(self.id).or_default().input.extend(bytes));
    }

    /// What the board wrote since it was last asked, up to 64 KB.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.board.wired(|all| std::mem::take(&mut all.uart.entry(self.id).or_default().output))
    }
}
