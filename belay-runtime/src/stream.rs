//! A generator on a board as a stream of its items.
//!
//! The board computes nothing ahead of what it is asked for, and is asked when the last batch has been read. Between
//! batches the line is free for other calls.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    agent::library::PULL,
    call::{Answer, Args, Outcome, check},
    codec::{args, items},
    device::Device,
    error::{AfterTimeout, Error, Result},
    executor::{Call, Held, Via, Work},
    session::HoldingKind,
    task::Task,
};

/// For how long the board goes on collecting items for one batch.
const BATCH_MILLIS: u32 = 20;
/// How many items a batch has at most.
const LARGEST_BATCH: usize = 512;
/// How many times as many items the next batch may have.
const GROWTH: usize = 8;
/// About how many bytes a batch has at most, and which part of a small board's heap.
const BATCH_BYTES: usize = 2048;
const PART_OF_HEAP: usize = 32;

/// The items of a generator on a board.
///
/// It is a [`Stream`]; [`next`](Self::next) is for programs that need no more than that. Nothing happens before it is
/// polled. After an error it ends. Dropping it closes the generator, so that its `finally` blocks run on the board.
///
/// Items come in batches: as many as there are within about 20 ms, at least one, and at most about 2 KB. So a generator
/// runs ahead of its reader by one batch at most, and an item waits for the next one at most. Other calls run between
/// batches. The timeout of the task is for the wait for one item.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Streaming<R> {
    items: VecDeque<Vec<u8>>,
    state: State,
    task: &'static Task,
    decode: fn(Outcome) -> R,
}

/// Where the next items come from.
enum State {
    /// It has not been polled.
    New(Box<(Device, Args)>),
    Pulling(Pin<Box<dyn Future<Output = Pulled> + Send>>),
    Between(Box<Pull>),
    /// This error, then nothing.
    Failed(Error),
    Ended,
}

impl<R> fmt::Debug for Streaming<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("task", &self.task.name).finish_non_exhaustive()
    }
}

/// A generator on a board: nothing happens before the stream is polled.
pub fn stream<R>(device: &Device, args: Args, decode: fn(Outcome) -> R) -> Streaming<R> {
    let task = args.task;
    let state = State::New(Box::new((device.clone(), args)));
    Streaming { items: VecDeque::new(), state, task, decode }
}

impl<R> Streaming<R> {
    /// The next item; `None` after the last one, and after an error.
    pub async fn next(&mut self) -> Option<R> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<R> Stream for Streaming<R> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some((self.decode)(Ok(Answer::value(self.task, item)))));
            }
            let state = std::mem::replace(&mut self.state, State::Ended);
            self.state = match state {
                State::New(begin) => {
                    let (device, args) = *begin;
                    match args.error {
                        Some(error) => State::Failed(error),
                        None => State::Pulling(Box::pin(Pull::open(device, args.task, args.values))),
                    }
                }
                State::Between(pull) => State::Pulling(Box::pin(pull.next())),
                State::Pulling(mut pulling) => {
                    let Poll::Ready(Pulled { items, then }) = pulling.as_mut().poll(context) else {
                        self.state = State::Pulling(pulling);
                        return Poll::Pending;
                    };
                    self.items = items.into();
                    match then {
                        Ok(Some(pull)) => State::Between(Box::new(pull)),
                        Ok(None) => State::Ended,
                        Err(error) => State::Failed(error),
                    }
                }
                State::Failed(error) => return Poll::Ready(Some((self.decode)(Err(error)))),
                State::Ended => return Poll::Ready(None),
            };
        }
    }
}

/// What came of asking for a batch.
struct Pulled {
    items: Vec<Vec<u8>>,
    /// Who asks for the next one, if there may be one.
    then: Result<Option<Pull>>,
}

/// The generator, and how much of it is asked for.
struct Pull {
    device: Device,
    task: &'static Task,
    held: Held,
    /// How many items the last batch could have had, and the next one may have.
    count: usize,
    /// The bytes of a batch that the board's heap can spare.
    room: usize,
}

impl Pull {
    /// Makes the generator and asks for its first item.
    async fn open(device: Device, task: &'static Task, args: args::Args) -> Pulled {
        let held = Held::new(device.session().held(), HoldingKind::Stream, task.name);
        let mut pull = Self { device, task, held, count: 1, room: BATCH_BYTES };
        let outcome = pull.ask(args, true).await;
        if let Some(capabilities) = pull.device.session().capabilities() {
            pull.room = BATCH_BYTES.min(capabilities.free_heap as usize / PART_OF_HEAP);
        }
        match outcome {
            Ok(batch) => pull.after(batch),
            Err(error) => Pulled { items: Vec::new(), then: Err(error) },
        }
    }

    async fn next(self: Box<Self>) -> Pulled {
        match self.batch().await {
            Ok(batch) => self.after(batch),
            // What was collected before the item that did not come is still there, or will be when the board has stopped.
            Err(error @ Error::TimedOut { board: AfterTimeout::Stopped | AfterTimeout::Interrupting, .. })
                if self.count > 1 =>
            {
                let items = self.batch().await.map(|batch| batch.items).unwrap_or_default();
                Pulled { items, then: Err(error) }
            }
            Err(error) => Pulled { items: Vec::new(), then: Err(error) },
        }
    }

    async fn batch(&self) -> Result<items::Batch> {
        let mut args = args::Args::new();
        for number in [self.count, BATCH_MILLIS as usize] {
            args.push(&number).map_err(|source| Error::Argument {
                task: self.task.name.to_owned(),
                param: "count".to_owned(),
                source: Box::new(source),
            })?;
        }
        self.ask(args, false).await
    }

    async fn ask(&self, args: args::Args, opens: bool) -> Result<items::Batch> {
        let task = self.task;
        let via = if opens { Via::makes(&PULL, &self.held) } else { Via::uses(&PULL, &self.held) };
        let payload = self.device.submit(Call::new(Work::Task { task, args: Arc::new(args), via: Some(via) })).await?;
        check(task.name, &payload, Some(task))?;
        items::batch(&payload)
            .map_err(|source| Error::WrongType { task: task.name.to_owned(), source: Box::new(source) })
    }

    fn after(mut self, batch: items::Batch) -> Pulled {
        let bytes: usize = batch.items.iter().map(Vec::len).sum();
        let each = bytes.div_ceil(batch.items.len().max(1)).max(1);
        self.count = (self.count * GROWTH).min(LARGEST_BATCH).min(self.room / each).max(1);
        if !batch.more {
            self.held.is_gone();
        }
        let then = Ok(batch.more.then_some(self));
        Pulled { items: batch.items, then }
    }
}
