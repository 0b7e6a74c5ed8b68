//! Serial ports: native USB, USB-UART bridges, pseudo-terminals.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{ErrorKind, SerialPortBuilderExt, SerialPortType, SerialStream};

use super::{Opened, Trust, failed};
use crate::error::Result;

/// What MicroPython's UART REPLs are set to; native USB ignores it.
const DEFAULT_BAUD: u32 = 115_200;

pub(super) fn open(spec: &str) -> Result<Opened> {
    let (path, baud) = match spec.split_once("?baud=") {
        Some((path, baud)) => (
            path,
            baud.parse().map_err(|_| {
                failed(spec, format!("`{baud}` is no baud rate"), io::Error::from(io::ErrorKind::InvalidInput))
            })?,
        ),
        None => (spec, DEFAULT_BAUD),
    };
    // DTR and RTS stay as the operating system sets them at opening: on a board with a USB-UART bridge any other
    // order resets it or leaves it in the bootloader, and a pseudo-terminal has no such lines at all.
    let port = tokio_serial::new(path, baud).open_native_async().map_err(|e| {
        let kind = match e.kind() {
            ErrorKind::Io(kind) => kind,
            ErrorKind::NoDevice => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        failed(spec, remedy(kind, &e.to_string()), io::Error::new(kind, e))
    })?;
    Ok(Opened { line: Box::new(Port(port)), trust: trust(path) })
}

/// USB vendors whose devices carry a UART behind them: what they deliver is not what the board sent, only what arrived.
const BRIDGES: [(u16, &str); 5] = [
    (0x10c4, "Silicon Labs CP210x"),
    (0x1a86, "WCH CH340"),
    (0x0403, "FTDI"),
    (0x067b, "Prolific PL2303"),
    (0x0d28, "Arm DAPLink"),
];

/// A board's own USB is checked and acknowledged down to the last packet; behind a bridge, or on a port of which nothing
/// is known, there may be a UART that loses bytes.
fn trust(path: &str) -> Trust {
    let ports = tokio_serial::available_ports().unwrap_or_default();
    let usb = ports.into_iter().find(|port| port.port_name == path).map(|port| port.port_type);
    match usb {
        Some(SerialPortType::UsbPort(usb)) if BRIDGES.iter().all(|(vendor, _)| *vendor != usb.vid) => Trust::Trusted,
        _ => Trust::Verified,
    }
}

/// A serial port that never blocks: flushing one waits in the kernel until the last byte has left (`tcdrain`), which
/// on a line that the board holds up is for ever, and nothing here needs it.
struct Port(SerialStream);

impl AsyncRead for Port {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Port {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Says what to do about a port that does not open.
fn remedy(kind: io::ErrorKind, reason: &str) -> String {
    match kind {
        io::ErrorKind::PermissionDenied => format!(
            "{reason}. On Linux your user must be in the port's group (`dialout`, on Arch `uucp`): \
             sudo usermod -aG dialout $USER, then log in again"
        ),
        io::ErrorKind::NotFound => {
            let seen: Vec<String> =
                tokio_serial::available_ports().unwrap_or_default().into_iter().map(|port| port.port_name).collect();
            let seen = if seen.is_empty() { "no serial port at all".to_owned() } else { seen.join(", ") };
            format!("{reason}. This machine has {seen}")
        }
        _ => reason.to_owned(),
    }
}
