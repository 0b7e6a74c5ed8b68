//! What is known of families of boards before one of them has been asked: data, each entry with its source.
//!
//! A profile is where a session begins; what the board says and what its line bears come after it. Capabilities are
//! never taken from here.

use std::time::Duration;

use serde::Serialize;

use crate::{agent::Capabilities, transport::Trust};

/// What Ctrl-C does to what lies unread in a board's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CtrlC {
    /// It is thrown away, and Ctrl-C goes unseen while the input is full.
    Clears,
    /// It stays, and is run afterwards.
    Keeps,
}

/// A way to reset a board from its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Reset {
    /// Ctrl-D at an empty prompt resets the interpreter.
    Soft,
    /// `machine.reset()` resets the processor; the line of a board with USB of its own ends with it.
    Machine,
    /// `microcontroller.reset()`, CircuitPython's word for it.
    Microcontroller,
    /// RTS pulls the reset pin while DTR leaves the boot pin alone: the two transistors of most ESP boards.
    Rts,
}

/// A family of boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// What the family is called.
    pub name: &'static str,
    /// The `sys.platform`s of the family.
    pub platforms: &'static [&'static str],
    /// Bytes that are written at once where there is no flow control.
    pub chunk: usize,
    /// The time between two such writes.
    pub every: Duration,
    /// Whether the line that such a board mostly has is its own USB, or a UART behind a bridge.
    pub trust: Trust,
    /// What Ctrl-C does to unread input.
    pub ctrl_c: CtrlC,
    /// How it can be reset, mildest first.
    pub resets: &'static [Reset],
    /// How long it needs at most until its prompt comes after a reset.
    pub boot: Duration,
    /// Where this is written.
    pub source: &'static str,
}

/// What is taken for granted of a board that nobody knows: no flow control, no check, nothing thrown away.
const UNKNOWN: Profile = Profile {
    name: "unknown",
    platforms: &[],
    chunk: 16,
    every: Duration::from_millis(2),
    trust: Trust::Verified,
    ctrl_c: CtrlC::Keeps,
    resets: &[Reset::Soft],
    boot: Duration::from_secs(3),
    source: "measured: an nRF51 with MicroPython 1.9.2 keeps 16 bytes every 2 ms and loses some of 256 at once",
};

const TINYUSB: Profile =
    Profile { trust: Trust::Trusted, ctrl_c: CtrlC::Clears, resets: &[Reset::Soft, Reset::Machine], ..UNKNOWN };

/// All families; the last one is for boards of none.
const PROFILES: [Profile; 11] = [
    Profile {
        name: "RP2040, RP2350",
        platforms: &["rp2"],
        source: "MicroPython ports/rp2/mphalport.c; shared/tinyusb/mp_usbd_cdc.c (tud_cdc_rx_cb) empties the input at Ctrl-C",
        ..TINYUSB
    },
    Profile {
        name: "ESP32",
        platforms: &["esp32"],
        ctrl_c: CtrlC::Keeps,
        resets: &[Reset::Soft, Reset::Machine, Reset::Rts],
        source: "MicroPython ports/esp32/uart.c puts what surrounds a Ctrl-C into the ring buffer; the reset circuit is in \
                 Espressif's esptool documentation, \"Automatic bootloader\"",
        ..UNKNOWN
    },
    // `sys.platform` is the ESP32's: what tells them apart is the USB of their own.
    Profile {
        name: "ESP32-S2, ESP32-S3",
        source: "MicroPython ports/esp32/usb.c and boards/ESP32_GENERIC_S3: TinyUSB",
        ..TINYUSB
    },
    Profile {
        name: "ESP8266",
        platforms: &["esp8266"],
        ctrl_c: CtrlC::Keeps,
        resets: &[Reset::Soft, Reset::Machine, Reset::Rts],
        source: "MicroPython ports/esp8266/uart.c; UART0 behind a bridge is its only REPL besides WebREPL",
        ..UNKNOWN
    },
    Profile {
        name: "STM32, pyboard",
        platforms: &["pyboard", "stm32"],
        ctrl_c: CtrlC::Keeps,
        source: "MicroPython ports/stm32/usbd_cdc_interface.c (usbd_cdc_receive) keeps what came before a Ctrl-C",
        ..TINYUSB
    },
    Profile {
        name: "nRF",
        platforms: &["nrf52", "nrf91", "nrf51"],
        trust: Trust::Verified,
        ctrl_c: CtrlC::Keeps,
        source: "MicroPython ports/nrf/drivers/bluetooth and boards: raw-paste windows of 32 and 64 bytes",
        ..TINYUSB
    },
    Profile {
        name: "micro:bit",
        platforms: &["microbit"],
        resets: &[Reset::Soft],
        source: "measured under QEMU: MicroPython 1.9.2, no raw-paste",
        ..UNKNOWN
    },
    Profile {
        name: "SAMD",
        platforms: &["samd"],
        source: "MicroPython ports/samd/mphalport.c; shared/tinyusb/mp_usbd_cdc.c",
        ..TINYUSB
    },
    Profile {
        name: "CircuitPython",
        resets: &[Reset::Soft, Reset::Microcontroller],
        source: "CircuitPython supervisor/shared/usb/usb.c (tud_cdc_rx_wanted_cb) flushes the input at Ctrl-C",
        ..TINYUSB
    },
    Profile {
        name: "unix",
        platforms: &["linux", "darwin"],
        trust: Trust::Trusted,
        ctrl_c: CtrlC::Keeps,
        resets: &[],
        boot: Duration::from_millis(500),
        source: "MicroPython ports/unix/main.c: Ctrl-D ends the process",
        ..UNKNOWN
    },
    UNKNOWN,
];

impl Profile {
    /// All families; the last one is for boards of none.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &PROFILES
    }

    /// The family of a board, as far as what it says of itself and its line tell.
    #[must_use]
    pub fn of(board: &Capabilities) -> &'static Self {
        let name = match (board.implementation.as_str(), board.platform.as_str(), board.trust) {
            ("circuitpython", ..) => "CircuitPython",
            (_, "esp32", Trust::Trusted) => "ESP32-S2, ESP32-S3",
            (_, platform, _) => {
                return PROFILES
                    .iter()
                    .find(|profile| profile.platforms.contains(&platform))
                    .unwrap_or(&PROFILES[PROFILES.len() - 1]);
            }
        };
        PROFILES.iter().find(|profile| profile.name == name).unwrap_or(&PROFILES[PROFILES.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_source_and_a_pace_and_the_last_is_for_strangers() {
        for profile in Profile::all() {
            assert!(!profile.source.is_empty() && profile.chunk > 0 && !profile.every.is_zero(), "{profile:?}");
        }
        assert_eq!(Profile::all().last().map(|profile| profile.name), Some("unknown"));
        let names: std::collections::HashSet<_> = Profile::all().iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), Profile::all().len());
    }
}
