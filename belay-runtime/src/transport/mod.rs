//! Lines to boards: from a spec such as `/dev/ttyACM0` to something that carries bytes.

mod process;
mod serial;

use std::{io, sync::Arc, thread};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Handle,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout_at},
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
    /// `None`: it is for the board to prove.
    pub(crate) trust: Option<Trust>,
    /// By what the board can be found again.
    pub(crate) board: Option<Usb>,
}

/// Whether bytes can be lost or changed between the host and the board without anybody noticing.
///
/// Unless a program says it, programs and lines in memory are trusted, TCP is verified, because any line may lie behind
/// what listens there, and a serial port is verified until the board
/// at its other end has proved that the port is its own USB: its unique id is what the serial number of the USB device
/// says ([`Profile::is_own_usb`](crate::Profile::is_own_usb)). A bridge, whatever its vendor, has a number of its own. A
/// trusted line that is found to lose or change bytes is verified from then on.
/// [`Capabilities::trust`](crate::Capabilities::trust) says which it is.
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
    Ok(Opened { trust: said.or(opened.trust), ..opened })
}

/// Opens the line to the same board anew.
pub(crate) async fn open_again(spec: &str, board: Option<&Usb>) -> Result<Box<dyn Line>> {
    let (rest, _) = take_trust(spec)?;
    let opened = match board {
        Some(board) => {
            let (again, board) = (rest.clone(), board.clone());
            blocking(&rest, move || serial::open_again(&again, &board)).await?
        }
        None => open_line(&rest).await?,
    };
    Ok(opened.line)
}

/// What comes of `opening`, at most until `deadline`. In a task of its own: it may be the program's, and panic.
pub(crate) async fn open_by<T: Send + 'static>(
    deadline: Instant,
    port: &str,
    opening: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let begun = Instant::now();
    let mut task = JoinSet::new();
    task.spawn(opening);
    let (kind, reason) = match timeout_at(deadline, task.join_next()).await {
        Ok(Some(Ok(outcome))) => return outcome,
        Ok(Some(Err(error))) if error.is_panic() => (io::ErrorKind::Other, "what opens it panicked".to_owned()),
        Ok(_) => (io::ErrorKind::Other, "the runtime has ended".to_owned()),
        Err(_) => {
            let waited = begun.elapsed();
            let hint = "Is it switched on, is the address right, and is no other program holding it?";
            (io::ErrorKind::TimedOut, format!("nothing came of it within {waited:.1?}. {hint}"))
        }
    };
    Err(failed(port, reason, kind.into()))
}

/// Runs what may block in a thread of its own: one that never comes back holds up nobody, and not the end of the program
/// either.
async fn blocking<T: Send + 'static>(port: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let runtime = Handle::current();
    let started = thread::Builder::new().name("belay-open".into()).spawn(move || {
        let _entered = runtime.enter();
        // Whoever asked may have given up.
        drop(done.send(work()));
    });
    started.map_err(|error| failed(port, format!("there is no thread to open it: {error}"), error))?;
    let panicked = || failed(port, "opening it panicked".to_owned(), io::ErrorKind::Other.into());
    outcome.await.map_err(|_| panicked())?
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
    let trusted = |line| Ok(Opened { line, trust: Some(Trust::Trusted), board: None });
    if let Some(board) = spec.strip_prefix("sim:") {
        let noisy = ["drop=", "flip=", "double="].iter().any(|option| board.contains(option));
        let trust = if noisy { Trust::Verified } else { Trust::Trusted };
        return Ok(Opened { line: simulated(spec, board).await?, trust: Some(trust), board: None });
    }
    if let Some(address) = spec.strip_prefix("tcp://") {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|e| failed(spec, format!("{e}. Is the bridge running, and is the address host:port?"), e))?;
        stream.set_nodelay(true).map_err(|e| failed(spec, e.to_string(), e))?;
        // What listens there is mostly a bridge, and nobody says what line lies behind it.
        return Ok(Opened { line: Box::new(stream), trust: Some(Trust::Verified), board: None });
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
    let port = spec.to_owned();
    blocking(spec, move || serial::open(&port)).await
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
