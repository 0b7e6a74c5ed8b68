//! Modules that boards have built in and the interpreter has not, in Python: they reach the hardware through a device file.

/// A path and what is found there.
pub(crate) type Module = (&'static str, &'static str);

/// Modules that come together.
pub(crate) type Shelf = &'static [Module];

macro_rules! shelf {
    ($(#[$doc:meta])* $name:ident: $($directory:literal $file:literal)*) => {
        $(#[$doc])*
        pub(crate) const $name: Shelf =
            &[$((concat!($directory, $file), include_str!(concat!("python/", $file)))),*];
    };
}

shelf! {
    /// What every family has. `os` stands in front of the build's own, which lacks `uname()` and the sizes of `ilistdir()`.
    BASE: "/lib/" "_board.py" "/" "os.py"
}

shelf! {
    /// MicroPython's hardware.
    MACHINE:
        "/lib/" "machine.py" "/lib/" "_machine_bus.py" "/lib/" "_machine_pin.py" "/lib/" "_machine_time.py"
        "/lib/" "neopixel.py" "/lib/" "network.py"
}

shelf! {
    /// What `machine` has on an ESP32 only.
    ESP32: "/lib/" "_machine_esp32.py"
}

shelf! {
    /// The pyboard's own.
    PYBOARD: "/lib/" "pyb.py"
}

shelf! {
    /// CircuitPython's hardware. `time` stands in front of the build's own: it has `monotonic()`, and no `sleep_ms()`.
    CIRCUITPYTHON:
        "/lib/" "analogio.py" "/lib/" "board.py" "/lib/" "digitalio.py" "/lib/" "microcontroller.py" "/lib/" "pwmio.py"
        "/lib/" "supervisor.py" "/" "time.py"
}
