//! The host's end of a board's line.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::board::Handle;

/// An open serial port whose other end is a virtual board.
///
/// Reads end-of-file, and fails to write, once the board has crashed, is unplugged or was connected to anew. What the
/// board prints before its first port is opened waits for it; what it prints later, while no port is open, is lost.
#[derive(Debug)]
pub struct Port {
    board: Arc<Handle>,
    session: u64,
}

impl Port {
    pub(crate) fn new(board: Arc<Handle>) -> Self {
        let session = board.wire.connect();
        Self { board, session }
    }
}

impl AsyncRead for Port {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.board.wire.poll_read(self.session, context, buffer)
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.board.wire.poll_write(self.session, context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.board.wire.disconnect(self.session);
    }
}
