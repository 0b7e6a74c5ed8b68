//! How families of boards make the serial number of their own USB: data, each entry with its source.
//!
//! That is all that is known of a board before it has been asked; its capabilities are never taken from here. The sources
//! are files of MicroPython and of CircuitPython, each read at the commit that stands behind it, where one does.

use serde::Serialize;

use crate::agent::Capabilities;

/// What the serial number of a board's own USB is made of: by that the board, asked through a line, proves that the line
/// is that USB, and no bridge with a UART behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum OwnUsb {
    /// It has none that could be told from a bridge.
    Unproven,
    /// It begins with the digits of the board's unique id.
    UniqueId,
    /// It is made of the unique id as the bootloader of ST's processors makes it.
    StBootloader,
}

/// A family of boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// What the family is called.
    pub name: &'static str,
    /// The `sys.platform`s of the family.
    pub platforms: &'static [&'static str],
    /// How its own USB is known; a serial port that is none is verified.
    pub own_usb: OwnUsb,
    /// Where this is written.
    pub source: &'static str,
}

/// What is taken for granted of a board that nobody knows: no USB of its own.
const UNKNOWN: Profile =
    Profile { name: "unknown", platforms: &[], own_usb: OwnUsb::Unproven, source: "nothing is known" };

/// All families; the last one is for boards of none.
const PROFILES: [Profile; 9] = [
    Profile {
        name: "RP2040, RP2350",
        platforms: &["rp2"],
        own_usb: OwnUsb::UniqueId,
        source: "MicroPython ports/rp2/usbd.c (74c82398): the serial number of its USB and `machine.unique_id` \
                 (modmachine.c, 064f593c) are both pico_get_unique_board_id",
    },
    // An ESP32 has a UART behind a bridge, its successors have a USB of their own as well; `sys.platform` is one.
    Profile {
        name: "ESP32, ESP32-S2, ESP32-S3",
        platforms: &["esp32"],
        own_usb: OwnUsb::UniqueId,
        source: "MicroPython ports/esp32/usb.c (048868c4): the serial number is esp_efuse_mac_get_default in 8 bytes, \
                 `machine.unique_id` (modmachine.c, 01b8b643) the first 6 of them; that of the USB Serial/JTAG \
                 controller is the same address with colons (Espressif, esp-iot-solution, \"usb_device_const_COM\")",
    },
    Profile { name: "ESP8266", platforms: &["esp8266"], own_usb: OwnUsb::Unproven, source: "the processor has no USB" },
    Profile {
        name: "STM32, pyboard",
        platforms: &["pyboard"],
        own_usb: OwnUsb::StBootloader,
        source: "MicroPython ports/stm32/usbd_desc.c (01b8b643), `USBD_IDX_SERIAL_STR`: six bytes of the unique id, as \
                 the DFU bootloader makes them; `sys.platform`: mpconfigport.h (01af63d3). Boards that carry an \
                 ST-Link have a UART behind it",
    },
    Profile {
        name: "nRF",
        platforms: &["nrf51", "nrf51-DK", "nrf52", "nrf52-DK", "nrf91"],
        own_usb: OwnUsb::Unproven,
        source: "MicroPython ports/nrf/drivers/usb/usb_descriptors.c (44b549fb): the serial number is 000000000000 on \
                 all boards; mphalport.c (006684be): others have a UART; `sys.platform` is set in each \
                 boards/*/mpconfigboard.h",
    },
    Profile {
        name: "micro:bit",
        platforms: &["microbit"],
        own_usb: OwnUsb::Unproven,
        source: "its USB is that of an interface chip in front of the processor's UART (tech.microbit.org/hardware)",
    },
    Profile {
        name: "SAMD",
        platforms: &["samd"],
        own_usb: OwnUsb::UniqueId,
        source: "MicroPython ports/samd/usbd.c (048868c4): the serial number is samd_get_unique_id, and so is \
                 `machine.unique_id` (modmachine.c, 014eb1ee)",
    },
    Profile {
        name: "CircuitPython",
        platforms: &[],
        own_usb: OwnUsb::UniqueId,
        source: "CircuitPython supervisor/shared/usb/usb_desc.c, usb_build_descriptors: the serial number is \
                 common_hal_mcu_processor_get_uid, which `microcontroller.cpu.uid` gives, too",
    },
    UNKNOWN,
];

impl Profile {
    /// All families; the last one is for boards of none.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &PROFILES
    }

    /// The family of a board, as far as what it says of itself tells.
    #[must_use]
    pub fn of(board: &Capabilities) -> &'static Self {
        let is_it = |profile: &&Self| match board.implementation.as_str() {
            "circuitpython" => profile.name == "CircuitPython",
            _ => profile.platforms.contains(&board.platform.as_str()),
        };
        PROFILES.iter().find(is_it).unwrap_or(&UNKNOWN)
    }

    /// Whether a USB device with this serial number is the board itself, and no bridge in front of it.
    #[must_use]
    pub fn is_own_usb(&self, board: &Capabilities, serial_number: &str) -> bool {
        let Some(id) = board.unique_id.as_deref().filter(|id| id.len() >= SHORTEST_ID) else { return false };
        let number: String =
            serial_number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match self.own_usb {
            OwnUsb::Unproven => false,
            OwnUsb::UniqueId => number.starts_with(&id.to_ascii_lowercase()),
            OwnUsb::StBootloader => st_serial_number(id).is_some_and(|own| own == number),
        }
    }
}

/// How many digits of a unique id are more than chance.
const SHORTEST_ID: usize = 8;

/// The serial number that ST's bootloader makes of the 96 bits of a unique id.
fn st_serial_number(id: &str) -> Option<String> {
    let byte = |at: usize| u8::from_str_radix(id.get(at * 2..at * 2 + 2)?, 16).ok();
    let bytes =
        [byte(11)?, byte(10)?.wrapping_add(byte(2)?), byte(9)?, byte(8)?.wrapping_add(byte(0)?), byte(7)?, byte(6)?];
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_source_and_the_last_is_for_strangers() {
        assert!(Profile::all().iter().all(|profile| !profile.source.is_empty()));
        assert_eq!(Profile::all().last(), Some(&UNKNOWN));
        let names: std::collections::HashSet<_> = Profile::all().iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), Profile::all().len());
    }

    /// A board that says this of itself.
    fn board(implementation: &str, platform: &str, unique_id: &str) -> Capabilities {
        let record = format!("{implementation};1.27.0;{platform};190000;128;32;0;{unique_id};0;e");
        Capabilities::from_record(&record).unwrap()
    }

    #[test]
    fn a_board_proves_that_a_line_is_its_own_usb() {
        for (implementation, platform, unique_id, number, own) in [
            ("micropython", "rp2", "e6614104031f672c", "e6614104031f672c", true),
            ("micropython", "rp2", "e6614104031f672c", "E6614104031F672C", true),
            // A debug probe, itself an RP2040, in front of a Pico.
            ("micropython", "rp2", "e6614104031f672c", "E6614103E7452D2F", false),
            // TinyUSB on an ESP32-S3, its USB Serial/JTAG controller, a CP2102 and a CH340 without a number.
            ("micropython", "esp32", "348518102030", "3485181020300000", true),
            ("micropython", "esp32", "348518102030", "34:85:18:10:20:30", true),
            ("micropython", "esp32", "348518102030", "0001", false),
            ("micropython", "esp32", "348518102030", "", false),
            ("micropython", "esp8266", "10203040", "10203040", false),
            // A pyboard, and an ST-Link in front of the same processor.
            ("micropython", "pyboard", "25003c000c47363330353139", "396D35553336", true),
            ("micropython", "pyboard", "25003c000c47363330353139", "066BFF545051717867102341", false),
            ("micropython", "pyboard", "25003c", "25003c", false),
            ("micropython", "nrf52", "000000000000", "000000000000", false),
            ("micropython", "samd", "6d08ae015154305333202020ff0f2d1c", "6D08AE015154305333202020FF0F2D1C", true),
            ("circuitpython", "RP2040", "e6614104031f672c", "E6614104031F672C", true),
            ("micropython", "stranger", "e6614104031f672c", "E6614104031F672C", false),
            ("micropython", "rp2", "0", "0", false),
        ] {
            let board = board(implementation, platform, unique_id);
            let profile = Profile::of(&board);
            assert_eq!(profile.is_own_usb(&board, number), own, "{platform} {unique_id} on {number}: {profile:?}");
        }
    }
}
