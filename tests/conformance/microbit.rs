//! MicroPython 1.9.2 for the micro:bit, in QEMU: Debian's packages `qemu-system-arm` and `firmware-microbit-micropython`.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const FIRMWARE: &str = "/usr/share/firmware-microbit-micropython/firmware.hex";

/// An emulated micro:bit; it ends with this value.
pub(crate) struct Microbit {
    /// Its pseudo-terminal.
    pub(crate) port: String,
    _qemu: Child,
}

impl Microbit {
    /// Switches one on. The error says what is missing.
    pub(crate) async fn start() -> Result<Self, String> {
        if !std::path::Path::new(FIRMWARE).exists() {
            return Err(format!("no {FIRMWARE}: install Debian's firmware-microbit-micropython and qemu-system-arm"));
        }
        let mut qemu = Command::new("qemu-system-arm")
            .args(["-M", "microbit", "-serial", "pty", "-display", "none", "-device"])
            .arg(format!("loader,file={FIRMWARE}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("qemu-system-arm does not start: {error}"))?;
        let (stdout, stderr) = (qemu.stdout.take(), qemu.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Err("QEMU has no output".into()) };
        // Versions differ in where they say it.
        let (mut out, mut err) = (BufReader::new(stdout).lines(), BufReader::new(stderr).lines());
        loop {
            let line = tokio::select! {
                Ok(Some(line)) = out.next_line() => line,
                Ok(Some(line)) = err.next_line() => line,
                else => return Err("QEMU ended without naming its pseudo-terminal".into()),
            };
            if let Some(port) = line.split_whitespace().find(|word| word.starts_with("/dev/")) {
                return Ok(Self { port: port.to_owned(), _qemu: qemu });
            }
        }
    }
}
