//! A virtual board behind a TCP port, as a serial server puts a real one there.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::AbortHandle;

use crate::Board;
use crate::bridge::bridge;

/// A TCP port that leads to a board until this is dropped.
///
/// Each client has the board's line to itself: the newest one takes it from the one before, whose connection ends. What
/// the board prints while there is no client is lost.
#[derive(Debug)]
pub struct Tcp {
    address: SocketAddr,
    task: AbortHandle,
}

impl Tcp {
    /// Listens on `address`, for example `127.0.0.1:0`, in front of a line: of a [`Port`](crate::Port), of a
    /// [`Line`](crate::Line), of anything that tokio can read and write.
    ///
    /// # Errors
    ///
    /// Those of binding the address.
    pub async fn new<T>(address: impl ToSocketAddrs, line: T) -> io::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, line)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Board {
    /// Connects the board to a new TCP port at `address`.
    ///
    /// # Errors
    ///
    /// As [`Tcp::new`].
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Tcp> {
        Tcp::new(address, self.connect()).await
    }
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(listener: TcpListener, mut line: T) {
    let mut client = None;
    let mut unheard = [0; 1024];
    loop {
        client = match &mut client {
            None => tokio::select! {
                client = accept(&listener) => Some(client),
                read = line.read(&mut unheard) => match read {
                    Ok(1..) => None,
                    _ => return,
                },
            },
            Some(current) => tokio::select! {
                next = accept(&listener) => Some(next),
                () = bridge(current, &mut line) => None,
            },
        };
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        // An error of `accept` is one of the client's, who is gone already.
        if let Ok((client, _)) = listener.accept().await {
            // Small requests and small answers: without it some wait for an acknowledgement of 40 ms.
            let _ = client.set_nodelay(true);
            return client;
        }
    }
}
