//! What subscribers are told: kept for them, and only once there is one.

use std::sync::OnceLock;

use tokio::sync::broadcast::{Receiver, Sender};

/// Most sessions have no subscriber, and room for what is kept is most of what a session would take.
#[derive(Debug)]
pub(crate) struct Topic<T> {
    kept: usize,
    sender: OnceLock<Sender<T>>,
}

impl<T: Clone> Topic<T> {
    /// `kept`: how much is kept for a subscriber that does not read.
    pub(crate) const fn new(kept: usize) -> Self {
        Self { kept, sender: OnceLock::new() }
    }

    /// A subscription to all that is told from now on.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        self.sender.get_or_init(|| Sender::new(self.kept)).subscribe()
    }

    /// Tells it if anybody listens.
    pub(crate) fn tell(&self, what: impl FnOnce() -> T) {
        if let Some(sender) = self.sender.get().filter(|sender| sender.receiver_count() > 0) {
            // The last one may just have gone.
            let _ = sender.send(what());
        }
    }
}
