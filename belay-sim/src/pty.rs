//! A virtual board behind a pseudo-terminal, so that programs that know only serial ports take it for a board.

use std::ffi::OsStr;
use std::future::poll_fn;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::Board;
use crate::bridge::bridge;

/// How long it may take to see that somebody has opened the terminal: there is no event for that.
const OPEN_CHECK: Duration = Duration::from_millis(10);

/// A pseudo-terminal that leads to a board until this is dropped. It has no modem lines, as all of its kind.
///
/// What the board prints while no program has the terminal open is lost. When the line ends, the terminal hangs up, as a
/// USB port does when the plug is pulled.
#[derive(Debug)]
pub struct Pty {
    path: PathBuf,
    task: AbortHandle,
}

impl Pty {
    /// Puts a pseudo-terminal in front of a line: of a [`Port`](crate::Port), of a [`Line`](crate::Line), of anything
    /// that tokio can read and write.
    ///
    /// # Errors
    ///
    /// Those of the operating system, which has no more pseudo-terminals.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn new<T>(line: T) -> io::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = PathBuf::from(OsStr::from_bytes(ptsname(&master, Vec::new())?.as_bytes()));
        make_raw(&path)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let task = tokio::spawn(serve(master, line)).abort_handle();
        Ok(Self { path, task })
    }

    /// What to open, such as `/dev/pts/3`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Board {
    /// Connects the board to a new pseudo-terminal.
    ///
    /// # Errors
    ///
    /// As [`Pty::new`].
    ///
    /// # Panics
    ///
    /// As [`Pty::new`].
    pub fn pty(&self) -> io::Result<Pty> {
        Pty::new(self.connect())
    }
}

/// Bytes pass as they are, and nothing is echoed. Programs for serial ports ask for this themselves, `cat` does not.
fn make_raw(path: &Path) -> io::Result<()> {
    let terminal = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&terminal)?;
    settings.make_raw();
    Ok(tcsetattr(&terminal, OptionalActions::Now, &settings)?)
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(master: OwnedFd, mut line: T) {
    loop {
        if !opened(&master, &mut line).await {
            return;
        }
        // A registration that has seen a hang-up reports it for ever, so each opening has its own.
        let Ok(mut terminal) = Terminal::new(&master) else { return };
        bridge(&mut terminal, &mut line).await;
        if !terminal.closed {
            return;
        }
    }
}

/// Waits until some program has the terminal open, and throws away what the board prints meanwhile. Returns whether
/// there still is a board.
async fn opened<T: AsyncRead + Unpin>(master: &OwnedFd, line: &mut T) -> bool {
    let mut open = pin!(async {
        while hung_up(master) {
            sleep(OPEN_CHECK).await;
        }
    });
    let mut gone = pin!(async {
        let mut unheard = [0; 1024];
        while let Ok(1..) = line.read(&mut unheard).await {}
    });
    poll_fn(|context| {
        if open.as_mut().poll(context).is_ready() {
            Poll::Ready(true)
        } else {
            gone.as_mut().poll(context).map(|()| false)
        }
    })
    .await
}

fn hung_up(master: impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(&master, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let asked = poll(&mut descriptors, Some(&at_once));
    let [descriptor] = &descriptors;
    asked.is_ok() && descriptor.revents().contains(PollFlags::HUP)
}

/// The board's end of a terminal that a program has opened.
struct Terminal<'a> {
    descriptor: AsyncFd<BorrowedFd<'a>>,
    /// The program has closed it.
    closed: bool,
}

impl<'a> Terminal<'a> {
    #[allow(deprecated, reason = "tokio fears descriptors closed too early; this one is borrowed for as long")]
    fn new(master: &'a OwnedFd) -> io::Result<Self> {
        let descriptor = AsyncFd::with_interest(master.as_fd(), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { descriptor, closed: false })
    }

    fn close<T>(&mut self) -> Poll<io::Result<T>> {
        self.closed = true;
        Poll::Ready(Err(Error::new(ErrorKind::ConnectionAborted, "the terminal was closed")))
    }
}

impl AsyncRead for Terminal<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.descriptor.poll_read_ready(context))?;
            let closed = guard.ready().is_read_closed();
            let result = guard.try_io(|inner| Ok(rustix::io::read(inner, buffer.initialize_unfilled())?));
            match result {
                Ok(Ok(count)) if count > 0 => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // Linux says EIO, others say end-of-file.
                Ok(_) => return self.close(),
                Err(_would_block) if closed => return self.close(),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.descriptor.poll_write_ready(context))?;
            let closed = guard.ready().is_write_closed();
            match guard.try_io(|inner| Ok(rustix::io::write(inner, data)?)) {
                Ok(Ok(count)) => return Poll::Ready(Ok(count)),
                Ok(Err(_)) => return self.close(),
                Err(_would_block) if closed => return self.close(),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
