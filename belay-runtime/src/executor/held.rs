//! What stays on a board for the host: generators, objects, threads, each under a number that the host gives.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::Notify;

/// What one session's handles hold on its board, as far as it is to be freed.
#[derive(Debug)]
pub(crate) struct Table {
    next: AtomicU32,
    /// Epochs and numbers of what nobody holds any more.
    dropped: Mutex<Vec<(u32, u32)>>,
    changed: Notify,
}

impl Table {
    /// Numbers begin at `first`: another session's may be on the same board.
    pub(crate) fn new(first: u32) -> Self {
        Self { next: AtomicU32::new(first), dropped: Mutex::default(), changed: Notify::new() }
    }

    /// Waits until something is to be freed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is to be freed in this epoch. What other epochs held is gone already.
    pub(crate) fn take_dropped(&self, epoch: u32) -> Vec<u32> {
        let dropped = std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        dropped.into_iter().filter(|&(of, _)| of == epoch).map(|(_, id)| id).collect()
    }
}

/// Something on a board. What is still there when it is dropped is freed.
#[derive(Debug)]
pub(crate) struct Held {
    id: u32,
    /// The epoch of the call that made it; 0 before that call is sent, and when it is gone.
    epoch: AtomicU32,
    table: Arc<Table>,
}

impl Held {
    /// Something that the next call is going to make.
    pub(crate) fn new(table: &Arc<Table>) -> Self {
        let id = table.next.fetch_add(1, Ordering::Relaxed);
        Self { id, epoch: AtomicU32::new(0), table: Arc::clone(table) }
    }

    /// What the board knows it by.
    pub(crate) fn key(&self) -> i64 {
        -i64::from(self.id)
    }

    /// Whether it is in the board's memory, if the board is in this epoch.
    pub(crate) fn is_in(&self, epoch: u32) -> bool {
        self.epoch.load(Ordering::Relaxed) == epoch
    }

    /// A call that makes it is sent in this epoch.
    pub(crate) fn is_made(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// The board has forgotten it.
    pub(crate) fn is_gone(&self) {
        self.epoch.store(0, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let epoch = *self.epoch.get_mut();
        if epoch != 0 {
            self.table.dropped.lock().unwrap_or_else(PoisonError::into_inner).push((epoch, self.id));
            self.table.changed.notify_one();
        }
    }
}
