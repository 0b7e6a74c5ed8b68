//! A line that ends as a test wants it, and keeps what has arrived at the program's end, read or not.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::JoinSet,
};

/// How a line ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Closed,
    ReadFails,
    /// And nothing more comes.
    WriteFails,
}

#[derive(Default)]
struct State {
    /// All that has arrived, and what of it was not read.
    arrived: Vec<u8>,
    unread: VecDeque<u8>,
    to_board: Vec<u8>,
    held_back: bool,
    swallow: bool,
    /// What somebody else prints as soon as the text before it has arrived, and how much of that has.
    interjection: Option<(Vec<u8>, Vec<u8>, usize)>,
    deaf: bool,
    flood: bool,
    /// How many more bytes arrive.
    left: Option<usize>,
    end: Option<End>,
    wakers: Vec<Waker>,
}

impl State {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn arrive(&mut self, bytes: &[u8]) {
        if self.swallow || self.end.is_some() {
            return;
        }
        let mixed = self.mixed(bytes);
        let bytes = mixed.as_slice();
        let n = self.left.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.arrived.extend(&bytes[..n]);
        self.unread.extend(&bytes[..n]);
        if let Some(left) = &mut self.left {
            *left -= n;
            if *left == 0 {
                self.end = Some(End::Closed);
            }
        }
        self.wake();
    }

    fn mixed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mixed = Vec::new();
        for &byte in bytes {
            if let Some((after, text, seen)) = &mut self.interjection
                && *seen == after.len()
            {
                mixed.append(text);
                self.interjection = None;
            }
            mixed.push(byte);
            if let Some((after, _, seen)) = &mut self.interjection {
                *seen = if after[*seen] == byte { *seen + 1 } else { usize::from(after[0] == byte) };
            }
        }
        mixed
    }
}

/// The cable between a board and a program.
pub(crate) struct Cable(Arc<Mutex<State>>, #[allow(dead_code, reason = "it carries until it is dropped")] JoinSet<()>);

impl Cable {
    pub(crate) fn new(board: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let mut tasks = JoinSet::new();
        let (mut from_board, mut to_board) = tokio::io::split(board);
        let carries = Arc::clone(&state);
        tasks.spawn(async move {
            let mut bytes = [0; 512];
            while let Ok(n @ 1..) = from_board.read(&mut bytes).await {
                carries.lock().unwrap().arrive(&bytes[..n]);
            }
        });
        let carries = Arc::clone(&state);
        tasks.spawn(async move {
            loop {
                let bytes = std::future::poll_fn(|cx| {
                    let mut state = carries.lock().unwrap();
                    if state.to_board.is_empty() {
                        state.wakers.push(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Poll::Ready(std::mem::take(&mut state.to_board))
                });
                if to_board.write_all(&bytes.await).await.is_err() {
                    return;
                }
            }
        });
        Self(state, tasks)
    }

    pub(crate) fn end(&self) -> Plug {
        Plug(Arc::clone(&self.0))
    }

    pub(crate) fn arrived(&self) -> Vec<u8> {
        self.0.lock().unwrap().arrived.clone()
    }

    /// The program reads nothing before the line ends.
    pub(crate) fn hold_back(&self) {
        self.0.lock().unwrap().held_back = true;
    }

    pub(crate) fn end_as(&self, end: End) {
        let mut state = self.0.lock().unwrap();
        (state.end, state.held_back) = (Some(end), matches!(end, End::WriteFails));
        state.wake();
    }

    /// The line ends when so many more bytes have arrived.
    pub(crate) fn cut_after(&self, bytes: usize) {
        let mut state = self.0.lock().unwrap();
        state.left = Some(bytes);
        if bytes == 0 {
            state.end = Some(End::Closed);
        }
        state.wake();
    }

    /// What the board says is lost until the program has written something.
    pub(crate) fn swallow_until_written(&self) {
        self.0.lock().unwrap().swallow = true;
    }

    /// Puts `text` into what the board says, as soon as that went on after `after`.
    pub(crate) fn interject(&self, after: &[u8], text: &str) {
        self.0.lock().unwrap().interjection = Some((after.to_vec(), text.into(), 0));
    }

    /// What is written from now on never arrives.
    pub(crate) fn lose_what_is_written(&self) {
        self.0.lock().unwrap().deaf = true;
    }

    /// From now on there is always something to read.
    pub(crate) fn flood(&self) {
        let mut state = self.0.lock().unwrap();
        state.flood = true;
        state.wake();
    }
}

/// The program's end of it.
pub(crate) struct Plug(Arc<Mutex<State>>);

impl AsyncRead for Plug {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.flood {
            buf.put_slice(b"and so on, and so on ");
            return Poll::Ready(Ok(()));
        }
        if !state.held_back && !state.unread.is_empty() {
            let n = buf.remaining().min(state.unread.len());
            buf.put_slice(&state.unread.drain(..n).collect::<Vec<_>>());
            return Poll::Ready(Ok(()));
        }
        match state.end.filter(|_| !state.held_back) {
            Some(End::Closed) => Poll::Ready(Ok(())),
            Some(End::ReadFails) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(End::WriteFails) | None => {
                state.wakers.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Plug {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.end.is_some() {
            // It is read only now, when it cannot be written to any more.
            state.held_back = false;
            state.wake();
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.swallow = false;
        if !state.deaf {
            state.to_board.extend(bytes);
        }
        state.wake();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
