//! What stays on a board for the host: generators, objects, threads, each under a number that the host gives.

use std::{
    collections::BTreeMap,
    mem,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use crate::session::{Holding, HoldingKind};

/// How many numbers there are. A board's small integers have 30 bits, and larger ones would take room on its heap.
const NUMBERS: u32 = 1 << 28;

/// What one session holds on its board: what its handles stand for, threads that go on without one, and what is to be
/// freed.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Debug)]
struct Entries {
    /// The epoch that the board is in, as far as it is known; 0 before it has been spoken to and after the end.
    epoch: u32,
    next: u32,
    records: BTreeMap<u32, Record>,
    /// Epochs and numbers of what is to be freed, each with the exclusive use that it was made in.
    dropped: Vec<(u32, u32, Option<u64>)>,
    /// What another process left in this epoch has not been freed.
    inherited: bool,
    /// There is a reason to free it now: the last attempt did not fail, or something has changed since.
    due: bool,
}

/// One thing on a board.
#[derive(Debug)]
struct Record {
    kind: HoldingKind,
    name: Arc<str>,
    /// The epoch of the call that made it; 0 before that call is sent, and when it is gone.
    epoch: u32,
    since: Instant,
    /// The exclusive use that it was made in.
    lease: Option<u64>,
    /// It goes on without a handle, once there is none.
    stays: bool,
    /// There is no handle to it.
    detached: bool,
    released: bool,
}

impl Entries {
    /// Whether something is on the board and can be used.
    fn has(&self, record: &Record) -> bool {
        record.epoch != 0 && record.epoch == self.epoch && !record.released
    }
}

/// What a board has to free, in one go.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The numbers; none for all that another process left.
    pub(crate) ids: Vec<u32>,
    pub(crate) lease: Option<u64>,
}

/// Whether something can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    There,
    /// It was made before the last reset of the board.
    Gone,
    /// The program has let go of it.
    Released,
}

impl Table {
    /// Numbers begin at `first`: another session's may be on the same board.
    pub(crate) fn new(first: u32) -> Self {
        let entries = Entries {
            epoch: 0,
            next: first,
            records: BTreeMap::new(),
            dropped: Vec::new(),
            inherited: false,
            due: false,
        };
        Self { entries: Mutex::new(entries), changed: Notify::new() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The board has been spoken to, and is in this epoch. What others held is gone.
    pub(crate) fn enter(&self, epoch: u32) {
        let mut entries = self.entries();
        if mem::replace(&mut entries.epoch, epoch) != epoch {
            entries.inherited = epoch != 0;
            entries.dropped.retain(|&(of, ..)| of == epoch);
            entries.records.retain(|_, record| record.epoch == epoch || !record.detached);
        }
        entries.due = true;
    }

    /// Waits until something is to be freed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has what waits to be freed tried again.
    pub(crate) fn retry(&self) {
        self.entries().due = true;
        self.changed.notify_one();
    }

    /// What is to be freed now in this epoch, at most `most` things at a time.
    pub(crate) fn take_dropped(&self, epoch: u32, most: usize) -> Vec<Batch> {
        let mut entries = self.entries();
        if entries.epoch != epoch || !mem::take(&mut entries.due) {
            return Vec::new();
        }
        let mut dropped = mem::take(&mut entries.dropped);
        dropped.sort_unstable_by_key(|&(.., lease)| lease);
        let alike = dropped.chunk_by(|(.., one), (.., other)| one == other).flat_map(|alike| alike.chunks(most));
        let batches = alike.map(|some| Batch {
            ids: some.iter().map(|&(_, id, _)| id).collect(),
            lease: some.first().and_then(|&(.., lease)| lease),
        });
        let inherited = mem::take(&mut entries.inherited).then_some(Batch { ids: Vec::new(), lease: None });
        batches.chain(inherited).collect()
    }

    /// What is on the board, in the order in which it was made.
    pub(crate) fn list(&self) -> Vec<Holding> {
        let entries = self.entries();
        let mut here: Vec<_> = entries.records.iter().filter(|(_, record)| entries.has(record)).collect();
        here.sort_by_key(|(_, record)| record.since);
        let holding = |(&id, record): (&u32, &Record)| Holding {
            kind: record.kind,
            name: record.name.to_string(),
            tasks: Vec::new(),
            age: record.since.elapsed(),
            id: id.into(),
        };
        here.into_iter().map(holding).collect()
    }

    /// Whether nothing is there, and nothing is to be freed.
    pub(crate) fn is_empty(&self) -> bool {
        let entries = self.entries();
        entries.dropped.is_empty() && !entries.records.values().any(|record| entries.has(record))
    }

    /// Handles to what goes on without one: until they are dropped, it has one again.
    pub(crate) fn detached(self: &Arc<Self>) -> Vec<Held> {
        let mut entries = self.entries();
        let detached = entries.records.iter_mut().filter(|(_, record)| record.detached);
        let hold = |(&id, record): (&u32, &mut Record)| {
            record.detached = false;
            Held(Key { id, table: Arc::clone(self) })
        };
        detached.map(hold).collect()
    }

    /// Has something freed: from now on nobody can use it. `None` if it is not there any more.
    pub(crate) fn release(self: &Arc<Self>, id: u32) -> Option<Freeing> {
        let mut entries = self.entries();
        let there = entries.records.get(&id).is_some_and(|record| entries.has(record));
        let record = entries.records.get_mut(&id).filter(|_| there)?;
        record.released = true;
        let (epoch, lease) = (record.epoch, record.lease);
        if record.detached {
            entries.records.remove(&id);
        }
        drop(entries);
        Some(Freeing::new(self, epoch, Batch { ids: vec![id], lease }))
    }
}

/// Something that is being freed on the board. Unless the board has answered when this is dropped, it is still to be
/// freed.
#[derive(Debug)]
pub(crate) struct Freeing {
    table: Arc<Table>,
    pub(crate) epoch: u32,
    pub(crate) batch: Batch,
    end: AtomicU8,
}

/// What became of an attempt to free something: the board did, it could not, or it did not get so far.
const FREED: u8 = 2;
const REFUSED: u8 = 1;
const OPEN: u8 = 0;

impl Freeing {
    pub(crate) fn new(table: &Arc<Table>, epoch: u32, batch: Batch) -> Self {
        Self { table: Arc::clone(table), epoch, batch, end: OPEN.into() }
    }

    /// It is not on the board any more.
    pub(crate) fn is_done(&self) {
        self.end.store(FREED, Ordering::Relaxed);
    }

    /// Trying again at once would fail again.
    pub(crate) fn is_refused(&self) {
        self.end.store(REFUSED, Ordering::Relaxed);
    }
}

impl Drop for Freeing {
    fn drop(&mut self) {
        let end = *self.end.get_mut();
        if end == FREED {
            return;
        }
        let mut entries = self.table.entries();
        if entries.epoch != self.epoch {
            return;
        }
        let Batch { ids, lease } = &self.batch;
        entries.inherited |= ids.is_empty();
        entries.dropped.extend(ids.iter().map(|&id| (self.epoch, id, *lease)));
        if end == OPEN {
            entries.due = true;
            self.table.changed.notify_one();
        }
    }
}

/// The number of something on a board: what calls carry.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    id: u32,
    table: Arc<Table>,
}

impl Key {
    /// What the board knows it by.
    pub(crate) fn number(&self) -> i64 {
        -i64::from(self.id)
    }

    fn edit<R>(&self, edit: impl FnOnce(&mut Record) -> R) -> Option<R> {
        self.table.entries().records.get_mut(&self.id).map(edit)
    }

    /// The task that made it, or the expression.
    pub(crate) fn name(&self) -> Option<String> {
        self.edit(|record| record.name.to_string())
    }

    /// Whether it can be used, if the board is in this epoch.
    pub(crate) fn standing(&self, epoch: u32) -> Standing {
        let standing = self.edit(|record| match record {
            Record { released: true, .. } => Standing::Released,
            record if record.epoch == epoch => Standing::There,
            _ => Standing::Gone,
        });
        standing.unwrap_or(Standing::Gone)
    }

    /// A call that makes it is sent in this epoch, as a part of this exclusive use; false if nobody wants it any more, and
    /// it must not be sent.
    pub(crate) fn is_made(&self, epoch: u32, lease: Option<u64>) -> bool {
        let wanted = self.edit(|record| {
            (record.epoch, record.lease, record.since) = (epoch, lease, Instant::now());
            !record.released
        });
        wanted.unwrap_or_default()
    }
}

/// The handle to something on a board. What is still there when it is dropped is freed.
#[derive(Debug)]
pub(crate) struct Held(Key);

impl Deref for Held {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.0
    }
}

impl Held {
    /// Something that the next call is going to make.
    pub(crate) fn new(table: &Arc<Table>, kind: HoldingKind, name: &str) -> Self {
        let record = Record {
            kind,
            name: name.into(),
            epoch: 0,
            since: Instant::now(),
            lease: None,
            stays: false,
            detached: false,
            released: false,
        };
        let mut entries = table.entries();
        let mut id = entries.next;
        // Numbers come round again after months: what is still there keeps its own.
        while entries.records.contains_key(&id) {
            id = following(id);
        }
        entries.next = following(id);
        entries.records.insert(id, record);
        drop(entries);
        Self(Key { id, table: Arc::clone(table) })
    }

    /// What calls carry.
    pub(crate) fn key(&self) -> Key {
        self.0.clone()
    }

    /// Whether it stays on the board when nobody holds it any more.
    pub(crate) fn stays(&self, stays: bool) {
        self.edit(|record| record.stays = stays);
    }

    /// The board has forgotten it.
    pub(crate) fn is_gone(&self) {
        self.edit(|record| record.epoch = 0);
    }
}

/// The number after `id`. None of them is that of a namespace, which are zero and above.
fn following(id: u32) -> u32 {
    if id >= NUMBERS { 1 } else { id + 1 }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Key { id, table } = &self.0;
        let mut entries = table.entries();
        let there = entries.records.get(id).is_some_and(|record| entries.has(record));
        let Some(record) = entries.records.get_mut(id) else { return };
        if there && record.stays {
            record.detached = true;
            return;
        }
        let (epoch, lease) = (record.epoch, record.lease);
        entries.records.remove(id);
        if there {
            entries.dropped.push((epoch, *id, lease));
            entries.due = true;
            table.changed.notify_one();
        }
    }
}
