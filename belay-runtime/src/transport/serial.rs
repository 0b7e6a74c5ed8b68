//! Serial ports: native USB, USB-UART bridges, pseudo-terminals.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{ErrorKind, SerialPortBuilderExt, SerialPortInfo, SerialPortType, SerialStream, UsbPortInfo};

use super::{Opened, failed};
use crate::error::Result;

/// What MicroPython's UART REPLs are set to; native USB ignores it.
const DEFAULT_BAUD: u32 = 115_200;

pub(super) fn open(spec: &str) -> Result<Opened> {
    let (path, baud) = path_and_baud(spec)?;
    open_path(spec, path, baud)
}

/// Opens the port that this board is on now: boards that are plugged in anew may come back under another name.
pub(super) fn open_again(spec: &str, board: &Usb) -> Result<Opened> {
    let (path, baud) = path_and_baud(spec)?;
    let found = board.find(path, &tokio_serial::available_ports().unwrap_or_default());
    let path = found.ok_or_else(|| {
        let reason =
            format!("no port has the USB device with serial number {}. Is it plugged in?", board.serial_number);
        failed(spec, reason, io::ErrorKind::NotFound.into())
    })?;
    open_path(spec, &path, baud)
}

/// What the board on this port is known by: its USB device, or the port's own name if it has none.
pub(super) fn identity(path: &str) -> Option<String> {
    let usb = usb_of(path, &tokio_serial::available_ports().unwrap_or_default());
    match usb.and_then(Usb::of) {
        Some(Usb { vendor, product, serial_number }) => Some(format!("usb {vendor:04x}:{product:04x} {serial_number}")),
        None => Some(std::fs::canonicalize(path).ok()?.to_string_lossy().into_owned()),
    }
}

fn path_and_baud(spec: &str) -> Result<(&str, u32)> {
    Ok(match spec.split_once("?baud=") {
        Some((path, baud)) => (
            path,
            baud.parse().map_err(|_| {
                failed(spec, format!("`{baud}` is no baud rate"), io::Error::from(io::ErrorKind::InvalidInput))
            })?,
        ),
        None => (spec, DEFAULT_BAUD),
    })
}

fn open_path(spec: &str, path: &str, baud: u32) -> Result<Opened> {
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
    let usb = usb_of(path, &tokio_serial::available_ports().unwrap_or_default());
    Ok(Opened { line: Box::new(Port(port)), trust: None, board: usb.and_then(Usb::of) })
}

/// A USB device that can be told from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usb {
    vendor: u16,
    product: u16,
    pub(crate) serial_number: String,
}

impl Usb {
    fn of(port: UsbPortInfo) -> Option<Self> {
        // Some devices have one that says nothing.
        let serial_number = port.serial_number.filter(|number| !number.trim().is_empty())?;
        Some(Self { vendor: port.vid, product: port.pid, serial_number })
    }

    /// The port that the device is on; `before` if it is still on that one, because a device may have several.
    fn find(&self, before: &str, ports: &[SerialPortInfo]) -> Option<String> {
        let mut here: Vec<&str> = ports
            .iter()
            .filter(|port| match &port.port_type {
                SerialPortType::UsbPort(usb) => Self::of(usb.clone()).as_ref() == Some(self),
                _ => false,
            })
            .map(|port| port.port_name.as_str())
            .collect();
        here.sort_unstable();
        let same = here.iter().any(|name| same_port(name, before)).then(|| before.to_owned());
        same.or_else(|| here.first().map(|name| (*name).to_owned()))
    }
}

/// Whether both name one port: systems list ports by their own names, programs may use links to them.
fn same_port(a: &str, b: &str) -> bool {
    a == b || matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// The USB device behind a port.
fn usb_of(path: &str, ports: &[SerialPortInfo]) -> Option<UsbPortInfo> {
    let port = ports.iter().find(|port| same_port(&port.port_name, path))?;
    match &port.port_type {
        SerialPortType::UsbPort(usb) => Some(usb.clone()),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, vid: u16, serial_number: Option<&str>) -> SerialPortInfo {
        let usb = UsbPortInfo {
            vid,
            pid: 5,
            serial_number: serial_number.map(str::to_owned),
            manufacturer: None,
            product: None,
        };
        SerialPortInfo { port_name: name.to_owned(), port_type: SerialPortType::UsbPort(usb) }
    }

    #[test]
    fn a_board_is_found_by_its_serial_number_whatever_its_port_is_called() {
        let ports = [
            port("COM1", 0x2e8a, Some("E66")),
            port("COM7", 0x2e8a, Some("E77")),
            port("COM8", 0x2e8a, Some("E77")),
            port("COM9", 0x10c4, Some("E77")),
            port("COM10", 0x2e8a, None),
            SerialPortInfo { port_name: "COM11".to_owned(), port_type: SerialPortType::Unknown },
        ];
        let board = Usb::of(usb_of("COM7", &ports).unwrap()).unwrap();
        assert_eq!(board.find("COM7", &ports), Some("COM7".to_owned()));
        assert_eq!(board.find("COM8", &ports), Some("COM8".to_owned()), "its other port");
        assert_eq!(board.find("COM1", &ports), Some("COM7".to_owned()), "another board has its old name");
        assert_eq!(board.find("COM7", &ports[..1]), None, "not there");
    }

    #[test]
    fn a_device_without_a_serial_number_has_no_identity() {
        for number in [None, Some(""), Some(" ")] {
            assert_eq!(usb_of("COM1", &[port("COM1", 1, number)]).and_then(Usb::of), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_port_is_known_by_its_own_name_through_links() {
        let link = std::env::temp_dir().join(format!("belay-link-{}", std::process::id()));
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let through = identity(link.to_str().unwrap());
        std::fs::remove_file(&link).unwrap();
        assert_eq!(through.as_deref(), Some("/dev/null"));
        assert_eq!(super::super::identity("/dev/null?baud=9600"), through);
        assert_eq!(super::super::identity("/dev/no-such-port"), None);
        assert_eq!(super::super::identity("sim:pico"), None);
    }
}
