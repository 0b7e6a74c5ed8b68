//! What tells the families of boards apart, as data: the interpreter is the same, its surroundings are not.
//!
//! Names and texts are those of the boards' own builds; the version is the interpreter's own, because it is the
//! interpreter that a test meets. Each entry names its sources, files of MicroPython 1.27 and CircuitPython 10.
//!
//! A ring buffer of `n` bytes holds `n - 1`. The window of raw-paste is 128 bytes everywhere: half of
//! `MICROPY_REPL_STDIN_BUFFER_MAX` in shared/runtime/pyexec.c, which no board changes. An answer that travels by USB, a board's own
//! or its bridge's, takes a frame of full-speed USB, 1 ms (USB 2.0, 8.4.3.1); behind a bridge the UART's rate comes on top.

use std::time::Duration;

use crate::modules::{self, Shelf};

/// How a board answers the request for raw-paste mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RawPaste {
    /// With windows, since MicroPython 1.14.
    #[default]
    Windows,
    /// It knows the request and refuses it: `R\x00`.
    Refused,
    /// It takes the request for a new raw REPL and prints the banner, as before 1.14.
    Unknown,
}

/// Something that smaller or older boards lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// The module `binascii`.
    Binascii,
    /// The module `deflate`.
    Deflate,
    /// The module `json`.
    Json,
    /// The module `select`.
    Select,
    /// The module `struct`.
    Struct,
    /// `sys.stdin`, `sys.stdout` and `sys.stderr`.
    Stdout,
    /// `sys.stdin.buffer`, `sys.stdout.buffer` and `sys.stderr.buffer`.
    StdoutBuffer,
}

impl Feature {
    /// Every feature, by the name that Python has for it.
    pub(crate) const NAMES: [(&'static str, Self); 7] = [
        ("binascii", Self::Binascii),
        ("deflate", Self::Deflate),
        ("json", Self::Json),
        ("select", Self::Select),
        ("struct", Self::Struct),
        ("sys.stdout", Self::Stdout),
        ("sys.stdout.buffer", Self::StdoutBuffer),
    ];
}

/// What Ctrl-D on an empty line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoftReset {
    /// It prints this and starts anew.
    Reboots(&'static str),
    /// The process ends, and with it the line.
    Exits,
}

/// A family of boards.
#[derive(Debug, PartialEq)]
pub(crate) struct Family {
    /// What a spec calls it.
    pub(crate) name: &'static str,
    /// `sys.platform`, and the system of `os.uname()`.
    pub(crate) platform: &'static str,
    /// What runs on it, first words of the banner.
    pub(crate) firmware: &'static str,
    /// `sys.implementation.name`.
    pub(crate) implementation: &'static str,
    /// `sys.implementation._machine`, the banner's end.
    pub(crate) machine: &'static str,
    /// `sys.implementation._build`.
    pub(crate) build: &'static str,
    /// Bytes of the heap.
    pub(crate) heap: u32,
    /// Bytes of the input buffer.
    pub(crate) input_buffer: usize,
    /// See [`Options::ctrl_c_clears`](crate::Options::ctrl_c_clears).
    pub(crate) ctrl_c_clears: bool,
    /// Time from the end of a request to its answer on an idle line, of which the board itself needs next to nothing.
    pub(crate) turn: Duration,
    /// Bits a second of its UART, 0 where there is none in between.
    pub(crate) baud: u32,
    /// Whether its USB is the processor's own, so that a reset of it interrupts the line.
    pub(crate) usb: bool,
    /// Whether `print` turns `\n` into `\r\n`.
    pub(crate) cooked: bool,
    /// What it prints after a reset of the processor, before MicroPython runs.
    pub(crate) noise: &'static [u8],
    pub(crate) soft_reset: SoftReset,
    /// The files that it runs before the REPL.
    pub(crate) autostart: &'static [&'static str],
    /// The modules in Python that it has built in.
    pub(crate) modules: &'static [Shelf],
    /// Hertz, for `machine.freq()`.
    pub(crate) frequency: u32,
    /// `machine.unique_id()`.
    pub(crate) unique_id: &'static [u8],
    /// The channel of the temperature sensor inside, and what it reads at 27 °C.
    pub(crate) thermometer: Option<(u32, u16)>,
}

const MICROPYTHON: &str = "MicroPython v1.27.0 on 2025-12-10";
const REBOOT: SoftReset = SoftReset::Reboots("MPY: soft reboot\r\n");
const USB_FRAME: Duration = Duration::from_millis(1);

/// Raspberry Pi Pico.
///
/// - names: ports/rp2/boards/RPI_PICO; heap: about that of a Pico W, the smaller one, from ports/rp2/memmap_mp_rp2040.ld
/// - input: `MICROPY_HW_STDIN_BUFFER_LEN` 512 in ports/rp2/mphalport.c; `tud_cdc_rx_cb` in shared/tinyusb/mp_usbd_cdc.c empties
///   it on Ctrl-C, and reads nothing while it is full
/// - thermometer: RP2040 datasheet 4.9.5, 0.706 V at 27 °C
const PICO: Family = Family {
    name: "pico",
    platform: "rp2",
    firmware: MICROPYTHON,
    implementation: "micropython",
    machine: "Raspberry Pi Pico with RP2040",
    build: "RPI_PICO",
    heap: 190 * 1024,
    input_buffer: 511,
    ctrl_c_clears: true,
    turn: USB_FRAME,
    baud: 0,
    usb: true,
    cooked: true,
    noise: b"",
    soft_reset: REBOOT,
    autostart: &["/boot.py", "/main.py"],
    modules: &[modules::BASE, modules::MACHINE],
    frequency: 125_000_000,
    unique_id: &[0xe6, 0x61, 0x41, 0x04, 0x03, 0x1f, 0x67, 0x2c],
    thermometer: Some((4, 14_021)),
};

static FAMILIES: [Family; 8] = [
    PICO,
    // Pico 2: ports/rp2/boards/RPI_PICO2; 520 KB of RAM; the rest is the Pico's.
    Family {
        name: "pico2",
        machine: "Raspberry Pi Pico2 with RP2350",
        build: "RPI_PICO2",
        heap: 440 * 1024,
        frequency: 150_000_000,
        ..PICO
    },
    // ESP32 behind a USB bridge. Names: ports/esp32/boards/ESP32_GENERIC. Input: `stdin_ringbuf_array[260]` in
    // ports/esp32/mphalport.c; ports/esp32/uart.c takes a Ctrl-C out of the stream and keeps what surrounds it;
    // `MICROPY_HW_UART_REPL_BAUD` there. The noise is what its boot ROM and second-stage loader print.
    Family {
        name: "esp32",
        usb: false,
        platform: "esp32",
        machine: "Generic ESP32 module with ESP32",
        build: "ESP32_GENERIC",
        heap: 160 * 1024,
        input_buffer: 259,
        ctrl_c_clears: false,
        baud: 115_200,
        noise: b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n\
                 configsip: 0, SPIWP:0xee\r\n\
                 clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00\r\n\
                 mode:DIO, clock div:2\r\nload:0x3fff0030,len:4892\r\nho 0 tail 12 room 4\r\n\
                 load:0x40078000,len:14896\r\nload:0x40080400,len:3372\r\nentry 0x400805b0\r\n",
        frequency: 160_000_000,
        modules: &[modules::BASE, modules::MACHINE, modules::ESP32],
        unique_id: &[0x24, 0x6f, 0x28, 0x10, 0x20, 0x30],
        thermometer: None,
        ..PICO
    },
    // ESP32-S3: ports/esp32/boards/ESP32_GENERIC_S3; the ESP32's input buffer behind USB by TinyUSB, as a Pico's.
    Family {
        name: "esp32-s3",
        platform: "esp32",
        machine: "Generic ESP32S3 module with ESP32S3",
        build: "ESP32_GENERIC_S3",
        heap: 200 * 1024,
        input_buffer: 259,
        modules: &[modules::BASE, modules::MACHINE, modules::ESP32],
        frequency: 240_000_000,
        unique_id: &[0x34, 0x85, 0x18, 0x10, 0x20, 0x30],
        thermometer: None,
        ..PICO
    },
    // ESP8266 behind a USB bridge. Heap: `heap[38 * 1024]` in ports/esp8266/main.c. Input: `stdin_ringbuf_array[256]` and the
    // rate in ports/esp8266/esp_mphal.c; uart.c keeps what surrounds a Ctrl-C. Its ROM prints at 74880 baud, which a line at
    // 115200 baud shows as garbage.
    Family {
        name: "esp8266",
        usb: false,
        platform: "esp8266",
        machine: "ESP module with ESP8266",
        build: "ESP8266_GENERIC",
        heap: 38 * 1024,
        input_buffer: 255,
        ctrl_c_clears: false,
        baud: 115_200,
        noise: b"l\x9e\x04\x0c\x8c\x0cl$\x0c\x8c\x1c\x04\x8cr\xe2\x1c\xf2n\x9e\x9c\x04\x8c#\x82\x02\xec\x8e\x0c\r\n",
        frequency: 80_000_000,
        unique_id: &[0x10, 0x20, 0x30, 0x40],
        thermometer: None,
        ..PICO
    },
    // pyboard: ports/stm32/boards/PYBV11; 128 KB of RAM. Input: `MICROPY_HW_USB_CDC_RX_DATA_SIZE` 1024 in
    // ports/stm32/mpconfigboard_common.h; `usbd_cdc_receive` in usbd_cdc_interface.c keeps what was queued before a Ctrl-C and
    // throws away what is too much.
    Family {
        name: "pyboard",
        platform: "pyboard",
        machine: "PYBv1.1 with STM32F405RG",
        build: "PYBV11",
        heap: 100 * 1024,
        input_buffer: 1023,
        ctrl_c_clears: false,
        modules: &[modules::BASE, modules::MACHINE, modules::PYBOARD],
        frequency: 168_000_000,
        unique_id: &[0x25, 0x00, 0x3c, 0x00, 0x0c, 0x47, 0x36, 0x33, 0x30, 0x35, 0x31, 0x39],
        thermometer: None,
        ..PICO
    },
    // CircuitPython on a Pico: ports/raspberrypi/boards/raspberry_pi_pico. Input: `CFG_TUD_CDC_RX_BUFSIZE` 256 in
    // ports/raspberrypi/Makefile, a FIFO of TinyUSB, which holds all of them and is emptied on Ctrl-C
    // (`tud_cdc_rx_wanted_cb`). main.c prints "soft reboot" without the name of the interpreter. Python itself is
    // MicroPython's.
    Family {
        name: "circuitpython",
        platform: "RP2040",
        firmware: "Adafruit CircuitPython 10.0.3 on 2025-10-17",
        implementation: "circuitpython",
        machine: "Raspberry Pi Pico with rp2040",
        build: "raspberry_pi_pico",
        soft_reset: SoftReset::Reboots("soft reboot\r\n"),
        autostart: &["/boot.py", "/code.py"],
        modules: &[modules::BASE, modules::CIRCUITPYTHON],
        input_buffer: 256,
        ..PICO
    },
    // The unix port: ports/unix/main.c (heap for 64 bits, Ctrl-D ends the process). Its line is a terminal's, with the input
    // buffer of Linux: N_TTY_BUF_SIZE 4096 in drivers/tty/n_tty.c.
    Family {
        name: "unix",
        platform: "linux",
        machine: "linux [GCC 14.2.0] version",
        build: "standard",
        heap: 2048 * 1024,
        input_buffer: 4095,
        ctrl_c_clears: false,
        turn: Duration::ZERO,
        usb: false,
        cooked: false,
        soft_reset: SoftReset::Exits,
        autostart: &[],
        modules: &[modules::BASE],
        thermometer: None,
        ..PICO
    },
];

/// The names of the families.
pub fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|family| family.name)
}

pub(crate) fn find(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

/// The family of a board that nobody chose one for.
pub(crate) fn pico() -> &'static Family {
    let [pico, ..] = &FAMILIES;
    pico
}
