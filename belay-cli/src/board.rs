//! A board in the hands of one verb: opened with progress, printed as it prints, stopped by Ctrl-C.

use std::{sync::OnceLock, time::Duration};

use belay::{Builder, Device, Output, Printed, Transfer};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    args::{self, LONGEST, Timeout},
    failure::Failure,
    terminal::{Progress, SOON, Terminal},
};

/// What a person is told of code that prints nothing.
const RUNNING: &str = "running; Ctrl-C stops it";
/// How long a board gets to show that it has stopped.
const STOP: Duration = Duration::from_secs(5);
/// How long closing may take: what is still to be said to the board is one byte.
const CLOSE: Duration = Duration::from_secs(1);

impl args::Port {
    /// The port that was given.
    pub(crate) fn spec(&self) -> Result<&str, Failure> {
        self.port.as_deref().filter(|port| !port.is_empty()).ok_or_else(|| {
            let text = "which board? Give --port PORT or set BELAY_PORT: /dev/ttyACM0, COM3, tcp://host:port, or sim:pico \
                        for a virtual one";
            Failure::Usage(text.into())
        })
    }

    /// Opens the board for calls that take no longer than calls do. Ctrl-C gives up.
    pub(crate) async fn open(&self, terminal: &Terminal) -> Result<Device, Failure> {
        self.open_with(Device::builder(), terminal).await
    }

    /// Opens the board for somebody's code, which may take as long as it likes unless a time is given.
    pub(crate) async fn open_for_code(&self, timeout: Timeout, terminal: &Terminal) -> Result<Device, Failure> {
        self.open_with(Device::builder().call_timeout(timeout.timeout.unwrap_or(LONGEST)), terminal).await
    }

    pub(crate) async fn open_with(&self, builder: Builder, terminal: &Terminal) -> Result<Device, Failure> {
        let spec = self.spec()?;
        let opening = builder.open(spec);
        let what = format!("opening {spec}");
        tokio::select! {
            opened = terminal.during(&what, opening) => Ok(opened?),
            () = interrupted() => Err(Failure::Stopped(None)),
        }
    }
}

/// Does something with the board. What the board prints meanwhile appears as it comes, and Ctrl-C stops the board.
pub(crate) async fn with<T>(
    device: &Device,
    terminal: &Terminal,
    work: impl Future<Output = belay::Result<T>>,
) -> Result<T, Failure> {
    watch(device, terminal, work, false).await
}

/// Runs somebody's code on the board, as [`with`] does. While it prints nothing, a person is told that it runs.
pub(crate) async fn run<T>(
    device: &Device,
    terminal: &Terminal,
    work: impl Future<Output = belay::Result<T>>,
) -> Result<T, Failure> {
    watch(device, terminal, work, true).await
}

async fn watch<T>(
    device: &Device,
    terminal: &Terminal,
    work: impl Future<Output = belay::Result<T>>,
    mut silent: bool,
) -> Result<T, Failure> {
    let tells = silent;
    let mut printer = Printer { terminal, line: Vec::new(), held: false };
    let mut output = device.session().output();
    let mut transfers = device.session().progress();
    let mut sending: Option<Sending<'_>> = None;
    let outcome = {
        let mut running = terminal.progress(RUNNING, 0);
        let mut work = std::pin::pin!(work);
        let mut stop = std::pin::pin!(interrupted());
        let mut silence = std::pin::pin!(tokio::time::sleep(SOON));
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break Err(Failure::Stopped(None)),
                Some(transfer) = transfers.next() => {
                    running.hide();
                    sending = Sending::follow(sending, &transfer, terminal);
                }
                Some(printed) = output.next() => {
                    running.hide();
                    if let Err(failure) = printer.print(printed) {
                        break Err(failure);
                    }
                }
                done = &mut work => break done.map_err(Failure::from),
                () = &mut silence, if silent => {
                    silent = false;
                    if sending.is_none() && terminal.has_room() {
                        running.show();
                    }
                    continue;
                }
            }
            silent = tells;
            silence.as_mut().reset(tokio::time::Instant::now() + SOON);
        }
    };
    drop(sending);
    // The work has been dropped, and with it the call: the session has begun to stop the board.
    let outcome = match outcome {
        Err(Failure::Stopped(_)) => Err(Failure::Stopped(Some(stopped(device, terminal).await))),
        Err(Failure::Unread) => {
            let _ = stopped(device, terminal).await;
            Err(Failure::Unread)
        }
        other => other,
    };
    printer.rest(&mut output)?;
    outcome
}

/// A transfer to the board that is under way.
struct Sending<'a> {
    what: String,
    progress: Progress<'a>,
}

impl<'a> Sending<'a> {
    fn follow(known: Option<Self>, transfer: &Transfer, terminal: &'a Terminal) -> Option<Self> {
        if transfer.is_done() {
            return None;
        }
        let known = known.filter(|sending| sending.what == transfer.what);
        let mut sending = known.unwrap_or_else(|| Self {
            what: transfer.what.clone(),
            progress: terminal.sending(&format!("sending {}", transfer.what), transfer.total as u64),
        });
        sending.progress.set(transfer.bytes as u64);
        Some(sending)
    }
}

/// Does something with the board that prints nothing for people. Ctrl-C stops the board.
pub(crate) async fn quietly<T>(
    device: &Device,
    terminal: &Terminal,
    work: impl Future<Output = belay::Result<T>>,
) -> Result<T, Failure> {
    // The work is dropped before the board is asked whether it has stopped.
    let outcome = tokio::select! {
        done = terminal.during(RUNNING, work) => Some(done),
        () = interrupted() => None,
    };
    match outcome {
        Some(done) => done.map_err(Failure::from),
        None => Err(Failure::Stopped(Some(stopped(device, terminal).await))),
    }
}

/// Which board it is, in a few words.
pub(crate) fn name(device: &Device) -> String {
    match device.session().capabilities() {
        Some(board) => board.to_string(),
        None => "unknown".to_owned(),
    }
}

/// Closes the line, and leaves the board in the REPL for people. The port is free afterwards.
pub(crate) async fn close(device: Device) {
    // A board that does not listen any more has been told of already.
    let _ = tokio::time::timeout(CLOSE, device.close()).await;
}

/// Waits for proof that the board has stopped.
async fn stopped(device: &Device, terminal: &Terminal) -> belay::Result<()> {
    let stopping = terminal.during("stopping the board", device.session().interrupt());
    match tokio::time::timeout(STOP, stopping).await {
        Ok(outcome) => outcome,
        Err(_) => Err(belay::Error::TimedOut {
            what: "stopping".into(),
            port: device.session().port().to_owned(),
            limit: STOP,
            board: belay::AfterTimeout::Interrupting,
        }),
    }
}

/// Ctrl-C, or a polite request to end. Whoever asks later learns it, too: nobody may be listening when it comes.
pub(crate) async fn interrupted() {
    static ENDED: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let ended = ENDED.get_or_init(|| {
        let (send, receive) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            send.send_replace(true);
        });
        receive
    });
    if ended.clone().wait_for(|ended| *ended).await.is_err() {
        // Only the runtime's end takes the listener away.
        std::future::pending().await
    }
}

async fn signal() {
    #[cfg(unix)]
    let ended = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let ended = std::future::pending();
    tokio::select! {
        // Without a handler Ctrl-C ends the command as it always does.
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = ended => {}
    }
}

/// Writes what a board prints: as it comes, or in JSON line by line.
struct Printer<'a> {
    terminal: &'a Terminal,
    /// A line that has not ended, for JSON.
    line: Vec<u8>,
    /// A carriage return that may belong to a line's end.
    held: bool,
}

impl Printer<'_> {
    fn print(&mut self, printed: Printed) -> Result<(), Failure> {
        match printed {
            Printed::Bytes(bytes) => {
                let text = self.without_returns(&bytes);
                self.write(&text)
            }
            Printed::Missed(pieces) => {
                self.terminal.note(format_args!("the board prints faster than this is read: {pieces} pieces are gone"));
                Ok(())
            }
        }
    }

    /// Boards end lines with `\r\n`.
    fn without_returns(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            if std::mem::take(&mut self.held) && byte != b'\n' {
                text.push(b'\r');
            }
            if byte == b'\r' {
                self.held = true;
            } else {
                text.push(byte);
            }
        }
        text
    }

    fn write(&mut self, text: &[u8]) -> Result<(), Failure> {
        if !self.terminal.json() {
            return self.terminal.bytes(text);
        }
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        self.terminal.object(&json!({ "printed": String::from_utf8_lossy(&line) }))
    }

    /// What is there already when the work has ended.
    fn rest(mut self, output: &mut Output) -> Result<(), Failure> {
        while let Some(printed) = output.try_next() {
            self.print(printed)?;
        }
        if std::mem::take(&mut self.held) {
            self.write(b"\r")?;
        }
        if self.line.is_empty() { Ok(()) } else { self.flush() }
    }
}
