//! What stays on a board for the host: generators, objects, threads, each under a number that the host gives.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::sync::Notify;

/// What one session's handles hold on its board, as far as it is to be freed.
#[derive(Debug)]
pub(crate) struct Table {
    next: AtomicU32,
    /// The epoch that the board was last seen in.
    epoch: AtomicU32,
    /// Epochs and numbers of what nobody holds any more.
    dropped: Mutex<Vec<(u32, u32)>>,
    changed: Notify,
}

impl Table {
    /// Numbers begin at `first`: another session's may be on the same board.
    pub(crate) fn new(first: u32) -> Self {
        Self {
            next: AtomicU32::new(first),
            epoch: AtomicU32::new(0),
            dropped: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Whether this is another epoch than the last time.
    pub(crate) fn enters(&self, epoch: u32) -> bool {
        self.epoch.swap(epoch, Ordering::Relaxed) != epoch
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
    /// It goes on without a handle.
    detached: AtomicBool,
    table: Arc<Table>,
}

impl Held {
    /// Something that the next call is going to make.
    pub(crate) fn new(table: &Arc<Table>) -> Self {
        let id = table.next.fetch_add(1, Ordering::Relaxed);
        Self { id, epoch: AtomicU32::new(0), detached: AtomicBool::new(false), table: Arc::clone(table) }
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

    /// A call that makes it goes where `other` is, or nowhere.
    pub(crate) fn is_made_with(&self, other: &Self) {
        self.is_made(other.epoch.load(Ordering::Relaxed));
    }

    /// Whether it stays on the board when nobody holds it any more.
    pub(crate) fn is_detached(&self, detached: bool) {
        self.detached.store(detached, Ordering::Relaxed);
    }

    /// The board has forgotten it.
    pub(crate) fn is_gone(&self) {
        self.epoch.store(0, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let epoch = *self.epoch.get_mut();
        if epoch != 0 && !*self.detached.get_mut() {
            self.table.dropped.lock().unwrap_or_else(PoisonError::into_inner).push((epoch, self.id));
            self.table.changed.notify_one();
        }
    }
}
