//! Lines to boards: from a spec such as `/dev/ttyACM0` to something that carries bytes.

mod process;
mod serial;

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

pub(crate) use serial::Usb;

use crate::error::{Error, Result};

/// Something that carries bytes to a board and back.
///
/// Anything that tokio can read and write is a line: a socket, a pipe, one end of `tokio::io::duplex`.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Line for T {}

/// A line, and what is known of it before anything has been sent.
pub(crate) struct Opened {
    pub(crate) line: Box<dyn Line>,
    pub(crate) trust: Trust,
    /// By what the board can be found again.
    pub(crate) board: Option<Usb>,
}

/// Whether bytes can be lost or changed between the host and the board without anybody noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Trust {
    /// The line has its own checks and flow control: native USB, a program, memory. Calls travel bare.
    Trusted,
    /// A UART, a bridge, or anything unknown. Calls and replies carry checks: a damaged call is refused by the board and sent
    /// again, a damaged reply is fetched again, and nothing runs twice.
    Verified,
}

/// Opens the line that `spec` names.
///
/// | spec | line |
/// |---|---|
/// | `/dev/ttyACM0`, `COM3`, with `?baud=9600` | serial port, 115,200 baud unless it says otherwise |
/// | `tcp://host:port` | a bridge, behind which there may be any line |
/// | `exec:program arguments` | a program's standard input and output |
/// | `sim:pico` | a virtual board in this process (feature `sim`) |
///
/// `trust=verified` or `trust=trusted` among the options of any of them says what the line is.
pub(crate) async fn open(spec: &str) -> Result<Opened> {
    let (rest, said) = take_trust(spec)?;
    let opened = open_line(&rest).await?;
    Ok(Opened { trust: said.unwrap_or(opened.trust), ..opened })
}

/// Opens the line to the same board anew.
pub(crate) async fn open_again(spec: &str, board: Option<&Usb>) -> Result<Box<dyn Line>> {
    let (rest, _) = take_trust(spec)?;
    let opened = match board {
        Some(board) => serial::open_again(&rest, board)?,
        None => open_line(&rest).await?,
    };
    Ok(opened.line)
}

/// What the board that `spec` names is known by, whatever its port is called; `None` if there is no more than the spec.
pub(crate) fn identity(spec: &str) -> Option<String> {
    let path = spec.split_once('?').map_or(spec, |(path, _)| path);
    let is_path = !spec.contains("://") && ["sim:", "exec:"].iter().all(|scheme| !spec.starts_with(scheme));
    is_path.then(|| serial::identity(path)).flatten()
}

/// Takes `trust=…` out of a spec's options.
fn take_trust(spec: &str) -> Result<(String, Option<Trust>)> {
    let Some((base, options)) = spec.split_once('?') else { return Ok((spec.to_owned(), None)) };
    let (said, others): (Vec<&str>, Vec<&str>) = options.split('&').partition(|option| option.starts_with("trust="));
    let trust = match said.last() {
        None => None,
        Some(&"trust=verified") => Some(Trust::Verified),
        Some(&"trust=trusted") => Some(Trust::Trusted),
        Some(other) => {
            let reason = format!("`{other}`: known are trust=trusted and trust=verified");
            return Err(Error::Open { port: spec.into(), reason, source: None });
        }
    };
    let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    Ok((rest, trust))
}

async fn open_line(spec: &str) -> Result<Opened> {
    let trusted = |line| Ok(Opened { line, trust: Trust::Trusted, board: None });
    if let Some(board) = spec.strip_prefix("sim:") {
        let noisy = ["drop=", "flip=", "double="].iter().any(|option| board.contains(option));
        let trust = if noisy { Trust::Verified } else { Trust::Trusted };
        return Ok(Opened { line: simulated(spec, board).await?, trust, board: None });
    }
    if let Some(address) = spec.strip_prefix("tcp://") {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|e| failed(spec, format!("{e}. Is the bridge running, and is the address host:port?"), e))?;
        stream.set_nodelay(true).map_err(|e| failed(spec, e.to_string(), e))?;
        // What listens there is mostly a bridge, and nobody says what line lies behind it.
        return Ok(Opened { line: Box::new(stream), trust: Trust::Verified, board: None });
    }
    if let Some(command) = spec.strip_prefix("exec:") {
        return trusted(process::open(spec, command)?);
    }
    if let Some((scheme, _)) = spec.split_once("://") {
        return Err(Error::Open {
            port: spec.into(),
            reason: format!(
                "the scheme {scheme}:// is unknown; known are tcp://, exec:, sim: and paths of serial ports"
            ),
            source: None,
        });
    }
    serial::open(spec)
}

#[cfg(feature = "sim")]
async fn simulated(spec: &str, board: &str) -> Result<Box<dyn Line>> {
    let failed = |reason: String| Error::Open { port: spec.into(), reason, source: None };
    let board = board.to_owned();
    // The first board of all waits for the firmware to be fetched.
    let started = tokio::task::spawn_blocking(move || belay_sim::open(&board)).await;
    let (_, port) = started.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
    Ok(Box::new(port))
}

#[cfg(not(feature = "sim"))]
async fn simulated(spec: &str, _board: &str) -> Result<Box<dyn Line>> {
    Err(Error::Open {
        port: spec.into(),
        reason: "virtual boards need the feature `sim`: write belay-rs = { features = [\"sim\"] } in Cargo.toml".into(),
        source: None,
    })
}

fn failed(spec: &str, reason: String, error: io::Error) -> Error {
    Error::Open { port: spec.into(), reason, source: Some(Arc::new(error)) }
}
