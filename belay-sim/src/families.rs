//! What tells the families of boards apart, as data: the interpreter is the same, its surroundings are not.
//!
//! Names and texts are those of the boards' own builds; the version is the interpreter's own, because it is the
//! interpreter that a test meets. Sizes are the smallest that a family's builds have, so that what works here works there.

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
    /// Whether its USB is the processor's own, so that a reset of it interrupts the line.
    pub(crate) usb: bool,
    /// Whether `print` turns `\n` into `\r\n`.
    pub(crate) cooked: bool,
    /// What it prints after a reset of the processor, before MicroPython runs.
    pub(crate) noise: &'static [u8],
    pub(crate) soft_reset: SoftReset,
    /// The files that it runs before the REPL.
    pub(crate) autostart: &'static [&'static str],
    /// Whether it has the module `machine`.
    pub(crate) has_machine: bool,
    /// Hertz, for `machine.freq()`.
    pub(crate) frequency: u32,
    /// `machine.unique_id()`.
    pub(crate) unique_id: &'static [u8],
    /// The channel of the temperature sensor inside, and what it reads at 27 °C.
    pub(crate) thermometer: Option<(u32, u16)>,
}

const MICROPYTHON: &str = "MicroPython v1.27.0 on 2025-12-10";
const REBOOT: SoftReset = SoftReset::Reboots("MPY: soft reboot\r\n");

/// Raspberry Pi Pico: ports/rp2 (boards/RPI_PICO; mphalport.c; shared/tinyusb/mp_usbd_cdc.c clears the input on Ctrl-C);
/// RP2040 datasheet 4.9.5: 0.706 V at 27 °C.
const PICO: Family = Family {
    name: "pico",
    platform: "rp2",
    firmware: MICROPYTHON,
    implementation: "micropython",
    machine: "Raspberry Pi Pico with RP2040",
    build: "RPI_PICO",
    heap: 190 * 1024,
    input_buffer: 256,
    ctrl_c_clears: true,
    usb: true,
    cooked: true,
    noise: b"",
    soft_reset: REBOOT,
    autostart: &["/boot.py", "/main.py"],
    has_machine: true,
    frequency: 125_000_000,
    unique_id: &[0xe6, 0x61, 0x41, 0x04, 0x03, 0x1f, 0x67, 0x2c],
    thermometer: Some((4, 14_021)),
};

static FAMILIES: [Family; 8] = [
    PICO,
    // Pico 2: boards/RPI_PICO2; 520 KB of RAM.
    Family {
        name: "pico2",
        machine: "Raspberry Pi Pico2 with RP2350",
        build: "RPI_PICO2",
        heap: 440 * 1024,
        frequency: 150_000_000,
        ..PICO
    },
    // ESP32: ports/esp32 (boards/ESP32_GENERIC; mphalport.c: 260 bytes; uart.c queues what surrounds a Ctrl-C); the noise is
    // what its boot ROM and second-stage loader print.
    Family {
        name: "esp32",
        usb: false,
        platform: "esp32",
        machine: "Generic ESP32 module with ESP32",
        build: "ESP32_GENERIC",
        heap: 160 * 1024,
        input_buffer: 260,
        ctrl_c_clears: false,
        noise: b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n\
                 configsip: 0, SPIWP:0xee\r\n\
                 clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00\r\n\
                 mode:DIO, clock div:2\r\nload:0x3fff0030,len:4892\r\nho 0 tail 12 room 4\r\n\
                 load:0x40078000,len:14896\r\nload:0x40080400,len:3372\r\nentry 0x400805b0\r\n",
        frequency: 160_000_000,
        unique_id: &[0x24, 0x6f, 0x28, 0x10, 0x20, 0x30],
        thermometer: None,
        ..PICO
    },
    // ESP32-S3: boards/ESP32_GENERIC_S3, USB by TinyUSB.
    Family {
        name: "esp32-s3",
        platform: "esp32",
        machine: "Generic ESP32S3 module with ESP32S3",
        build: "ESP32_GENERIC_S3",
        heap: 200 * 1024,
        input_buffer: 260,
        frequency: 240_000_000,
        unique_id: &[0x34, 0x85, 0x18, 0x10, 0x20, 0x30],
        thermometer: None,
        ..PICO
    },
    // ESP8266: ports/esp8266 (uart.c); its ROM prints at 74880 baud, which a line at 115200 baud shows as garbage.
    Family {
        name: "esp8266",
        usb: false,
        platform: "esp8266",
        machine: "ESP module with ESP8266",
        build: "ESP8266_GENERIC",
        heap: 28 * 1024,
        ctrl_c_clears: false,
        noise: b"l\x9e\x04\x0c\x8c\x0cl$\x0c\x8c\x1c\x04\x8cr\xe2\x1c\xf2n\x9e\x9c\x04\x8c#\x82\x02\xec\x8e\x0c\r\n",
        frequency: 80_000_000,
        unique_id: &[0x10, 0x20, 0x30, 0x40],
        thermometer: None,
        ..PICO
    },
    // pyboard: ports/stm32 (boards/PYBV11; usbd_cdc_interface.c keeps what was queued before a Ctrl-C).
    Family {
        name: "pyboard",
        platform: "pyboard",
        machine: "PYBv1.1 with STM32F405RG",
        build: "PYBV11",
        heap: 100 * 1024,
        ctrl_c_clears: false,
        frequency: 168_000_000,
        unique_id: &[0x25, 0x00, 0x3c, 0x00, 0x0c, 0x47, 0x36, 0x33, 0x30, 0x35, 0x31, 0x39],
        thermometer: None,
        ..PICO
    },
    // A board with CircuitPython's texts; its modules (`board`, `digitalio`, …) are not there, nor is `machine`. main.c
    // prints "soft reboot" without the name of the interpreter.
    Family {
        name: "circuitpython",
        platform: "RP2040",
        firmware: "Adafruit CircuitPython 10.0.3 on 2025-10-17",
        implementation: "circuitpython",
        machine: "Raspberry Pi Pico with rp2040",
        build: "raspberry_pi_pico",
        soft_reset: SoftReset::Reboots("soft reboot\r\n"),
        autostart: &["/boot.py", "/code.py"],
        has_machine: false,
        ..PICO
    },
    // The unix port: ports/unix (main.c). Its line is a terminal's, and Ctrl-D ends the process.
    Family {
        name: "unix",
        platform: "linux",
        machine: "linux [GCC 14.2.0] version",
        build: "standard",
        heap: 2048 * 1024,
        input_buffer: 4096,
        ctrl_c_clears: false,
        usb: false,
        cooked: false,
        soft_reset: SoftReset::Exits,
        autostart: &[],
        has_machine: false,
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
