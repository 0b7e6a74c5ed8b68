//! What boards print, for whoever wants to read it.

use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

/// How many pieces of output are kept for a subscriber that does not read.
pub(crate) const CAPACITY: usize = 1024;

/// A subscription to everything a board prints.
///
/// Pieces come as they arrive from the board: their boundaries mean nothing. Lines end in `\r\n` on boards.
#[derive(Debug)]
pub struct Output {
    receiver: Receiver<Vec<u8>>,
}

/// A piece of a board's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Bytes as the board wrote them.
    Bytes(Vec<u8>),
    /// This subscriber fell behind: so many pieces are gone.
    Missed(u64),
}

impl Output {
    pub(crate) fn new(receiver: Receiver<Vec<u8>>) -> Self {
        Self { receiver }
    }

    /// The next piece; `None` once the session has ended and everything was read.
    pub async fn next(&mut self) -> Option<Printed> {
        match self.receiver.recv().await {
            Ok(bytes) => Some(Printed::Bytes(bytes)),
            Err(RecvError::Lagged(missed)) => Some(Printed::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// What has been printed and not read yet, without waiting; `None` if there is nothing.
    ///
    /// What a task printed is here as soon as its call has returned.
    pub fn try_next(&mut self) -> Option<Printed> {
        match self.receiver.try_recv() {
            Ok(bytes) => Some(Printed::Bytes(bytes)),
            Err(TryRecvError::Lagged(missed)) => Some(Printed::Missed(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// Everything that has been printed and not read yet, as text; bytes that are no UTF-8 are replaced.
    pub fn take_text(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Some(piece) = self.try_next() {
            match piece {
                Printed::Bytes(piece) => bytes.extend_from_slice(&piece),
                Printed::Missed(missed) => bytes.extend_from_slice(format!("[{missed} pieces missed]\r\n").as_bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
