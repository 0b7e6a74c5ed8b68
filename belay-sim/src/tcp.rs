//! A virtual board behind a TCP port, as a serial server puts a real one there.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::{AbortHandle, JoinSet};

use crate::Board;
use crate::bridge::bridge;

/// A TCP port that leads to a board until this is dropped.
#[derive(Debug)]
pub struct Tcp {
    address: SocketAddr,
    task: AbortHandle,
}

impl Tcp {
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
    /// Listens on `address`, for example `127.0.0.1:0`. Each client has the board's line to itself: the newest one
    /// takes it from the one before, whose connection ends.
    ///
    /// # Errors
    ///
    /// Those of binding the address.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Tcp> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, self.clone())).abort_handle();
        Ok(Tcp { address, task })
    }
}

async fn serve(listener: TcpListener, board: Board) {
    // Dropped with this task, and the connections with it.
    let mut clients = JoinSet::new();
    // An error of `accept` is one of the client's, who is gone already.
    loop {
        if let Ok((mut client, _)) = listener.accept().await {
            // Small requests and small answers: without it some wait for an acknowledgement of 40 ms.
            let _ = client.set_nodelay(true);
            let mut port = board.connect();
            clients.spawn(async move { bridge(&mut client, &mut port).await });
        }
        while clients.try_join_next().is_some() {}
    }
}
