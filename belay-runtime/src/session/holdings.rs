//! What a session holds on its board: namespaces with their tasks, streams, threads, objects; and letting go of them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Session,
    actor::{Actor, Step},
    epoch::scope_key,
    job::Job,
};
use crate::{
    agent::library::{FREE, LIBRARY, RELEASE, THREAD},
    codec::{args::Args, reply},
    error::{AfterTimeout, Error, Result},
    executor::{Call, Freeing, Work},
    task::{Scope, Task},
    thread::Ask,
};

/// MessagePack for None.
pub(super) const NONE: [u8; 1] = [0xc0];
/// How many things on the board one call frees.
const MOST_FREED: usize = 16;
/// How many of them may take too long at the end of a session before the rest is left as it is.
const MOST_ENDLESS: usize = 4;
/// How often the end of threads is looked for at the end of a session, at first and at last.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Something that a session holds on its board, as [`Session::holdings`] lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holding {
    /// What it is.
    pub kind: HoldingKind,
    /// A namespace's module, and its trait if it is one's: `my_crate::sensors::Thermometer`. Otherwise the task that made
    /// it, or the expression.
    pub name: String,
    /// The tasks of a namespace that are on the board, in the order in which they were first called.
    pub tasks: Vec<String>,
    /// For how long it has been there.
    pub age: Duration,
    /// What the session knows it by.
    pub(crate) id: u64,
}

/// What something on a board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HoldingKind {
    /// The globals of a trait, or of a module for tasks that stand alone, and its tasks.
    Namespace,
    /// The generator of a stream.
    Stream,
    /// A thread, with or without a handle to it.
    Thread,
    /// An object.
    Object,
}

impl fmt::Display for HoldingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "namespace",
            Self::Stream => "stream",
            Self::Thread => "thread",
            Self::Object => "object",
        })
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if !self.tasks.is_empty() {
            write!(f, " ({})", self.tasks.join(", "))?;
        }
        write!(f, ", {:.1?}", self.age)
    }
}

/// The tasks that a session has called in this boot of the board, and when their namespaces were first used.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<Vec<(&'static Task, Instant)>>);

impl Tasks {
    fn all(&self) -> MutexGuard<'_, Vec<(&'static Task, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, task: &'static Task) {
        let mut all = self.all();
        if !std::ptr::eq(task.scope, &LIBRARY) && !all.iter().any(|(known, _)| std::ptr::eq(*known, task)) {
            all.push((task, Instant::now()));
        }
    }

    /// The board has been reset.
    pub(super) fn clear(&self) {
        self.all().clear();
    }

    /// Takes out the tasks of a namespace.
    fn take(&self, scope: &'static Scope) -> Vec<&'static Task> {
        let taken = |(task, _): &mut (&'static Task, Instant)| std::ptr::eq(task.scope, scope);
        self.all().extract_if(.., taken).map(|(task, _)| task).collect()
    }

    /// The namespace with this key.
    fn scope(&self, key: u64) -> Option<&'static Scope> {
        self.all().iter().map(|(task, _)| task.scope).find(|scope| scope_key(scope) == key)
    }

    fn namespaces(&self) -> Vec<Holding> {
        let mut namespaces: Vec<Holding> = Vec::new();
        for (task, since) in self.all().iter() {
            let id = scope_key(task.scope);
            match namespaces.iter_mut().find(|namespace| namespace.id == id) {
                Some(namespace) => namespace.tasks.push(task.name.to_owned()),
                None => namespaces.push(Holding {
                    kind: HoldingKind::Namespace,
                    name: task.scope.key.to_owned(),
                    tasks: vec![task.name.to_owned()],
                    age: since.elapsed(),
                    id,
                }),
            }
        }
        namespaces
    }
}

impl Session {
    /// What this session holds on the board, without asking it: the namespaces that it has called tasks of since the
    /// last reset, then streams, threads and objects. Those of other processes are not among them.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding> {
        let mut holdings = self.shared.held_tasks.namespaces();
        holdings.extend(self.shared.held.list());
        holdings
    }

    /// Lets go of something on the board, whoever still has a handle to it.
    ///
    /// - A namespace: its teardowns run, and the memory that its globals and tasks take is freed. With the next call of
    ///   one of its tasks it is set up again.
    /// - A stream: its generator is closed, so that its `finally` blocks run. Whoever reads it gets the items that are
    ///   here already, then [`Error::Released`].
    /// - A thread is told to stop at its next `yield`. An object is forgotten. Using their handles is
    ///   [`Error::Released`].
    ///
    /// Nothing is sent for what is not there any more. If this fails, streams, threads and objects are released with one
    /// of the next calls.
    ///
    /// # Errors
    /// Those of the first teardown that failed, though everything is freed; and whatever a call can fail with.
    pub async fn release(&self, holding: &Holding) -> Result<()> {
        let work = match holding.kind {
            HoldingKind::Namespace => self.shared.held_tasks.scope(holding.id).map(|scope| Work::Release { scope }),
            _ => {
                let id = u32::try_from(holding.id).ok();
                id.and_then(|id| self.shared.held.release(id)).map(|freeing| Work::Free(Arc::new(freeing)))
            }
        };
        match work {
            Some(work) => self.carry(Call::new(work)).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Actor {
    /// Lets go of a namespace for a call that waits for it.
    pub(super) async fn release(&mut self, id: u64, scope: &'static Scope) {
        self.queue.prepare(id);
        let outcome = self.let_go(scope).await;
        self.queue.prepared();
        if let Some(mut job) = self.queue.take(id) {
            job.answer(outcome.map(|()| NONE.to_vec()));
        }
    }

    /// Tears a namespace down and forgets it, on the board and here. A board that was reset has nothing of it.
    async fn let_go(&mut self, scope: &'static Scope) -> Result<()> {
        let mut outcome = Ok(());
        for teardown in scope.teardowns.iter().rev() {
            outcome = outcome.and(self.tear_down_with(teardown).await);
        }
        let tasks = self.shared.held_tasks.take(scope);
        self.scopes.retain(|known| !std::ptr::eq(*known, scope));
        let Some(epoch) = &mut self.epoch else { return outcome };
        let mut args = Args::new();
        // Ints can always be written.
        let _ = args.push(&scope_key(scope));
        for task in tasks.into_iter().chain(scope.setups.iter().copied()) {
            if let Some(index) = epoch.forget(task) {
                let _ = args.push(&index);
            }
        }
        let release = epoch.form(&RELEASE);
        if epoch.index(release).is_none() {
            self.deploy(release).await?;
        }
        let Some(body) = self.epoch.as_ref().and_then(|epoch| epoch.call(release, &args, None)) else { return outcome };
        outcome.and(self.run_text(release, body).await)
    }

    /// Puts calls at the head of the queue that free what nobody holds any more. Nobody waits for them.
    pub(super) fn free_dropped(&mut self) {
        // At the end everything is freed in one go.
        let Some(epoch) = self.epoch.as_ref().filter(|_| !self.asked.closes()) else { return };
        for batch in self.shared.held.take_dropped(epoch.token(), MOST_FREED) {
            // What another process left can be reached by nobody.
            if batch.ids.is_empty() && !epoch.holds_something() {
                continue;
            }
            let lease = batch.lease;
            let freeing = Freeing::new(&self.shared.held, epoch.token(), batch);
            let mut call = Call::new(Work::Free(Arc::new(freeing)));
            call.lease = lease;
            self.queue.put_back(Job::unwatched(self.next_id(), call, self.limits.call));
        }
    }

    /// Stops the threads of this session and frees all that it holds; tells of the first that went wrong.
    pub(super) async fn let_everything_go(&mut self) -> Result<()> {
        let held = &self.shared.held;
        if held.is_empty() {
            return Ok(());
        }
        if self.wire.is_none() {
            let threads = held.list().iter().any(|holding| holding.kind == HoldingKind::Thread);
            return if threads { Err(self.lost_for_good("its threads could not be stopped")) } else { Ok(()) };
        }
        if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) {
            self.attach_again().await?;
        }
        // A board that was reset meanwhile holds nothing.
        let mut holdings = self.shared.held.list();
        holdings.retain(|holding| holding.kind == HoldingKind::Thread);
        let outcome = self.stop_threads(&holdings).await;
        // Threads by their numbers; then, without any, all the rest.
        let mut freed = Ok(());
        for some in holdings.chunks(MOST_FREED).chain([&[][..]]) {
            freed = freed.and(self.free(some).await);
        }
        outcome.and(freed)
    }

    /// Has the board free these threads, or, if there are none, all that is no thread.
    async fn free(&mut self, threads: &[Holding]) -> Result<()> {
        let mut args = Args::new();
        for thread in threads {
            // Ints can always be written.
            let _ = args.push(&-(thread.id as i64));
        }
        let mut outcome = Ok(());
        // Something whose end takes too long is interrupted, and what stood behind it is left.
        for _ in 0..MOST_ENDLESS {
            let Some(free) = self.epoch.as_ref().map(|epoch| epoch.form(&FREE)) else { break };
            if self.epoch.as_ref().is_some_and(|epoch| epoch.index(free).is_none()) {
                self.deploy(free).await?;
            }
            let Some(body) = self.epoch.as_ref().and_then(|epoch| epoch.call(free, &args, None)) else { break };
            match self.run_text(free, body).await {
                late @ Err(Error::TimedOut { .. }) => outcome = outcome.and(late),
                other => return outcome.and(other),
            }
        }
        outcome
    }

    /// Tells threads to stop and waits until they have.
    async fn stop_threads(&mut self, threads: &[Holding]) -> Result<()> {
        let limit = self.limits.deploy;
        let deadline = Instant::now() + limit;
        let mut running: Vec<&Holding> = threads.iter().collect();
        let mut ask = Ask::Stop;
        let mut pause = PAUSE;
        loop {
            let mut still = Vec::new();
            for thread in running {
                if self.ask_thread(thread, ask).await? {
                    still.push(thread);
                }
            }
            let Some(first) = still.first() else { return Ok(()) };
            if Instant::now() >= deadline {
                let (what, port) = (first.name.clone(), self.shared.port().to_owned());
                return Err(Error::TimedOut { what, port, limit, board: AfterTimeout::Running });
            }
            let until = Instant::now() + pause;
            loop {
                match self.next(Some(until)).await {
                    Step::TimeUp => break,
                    Step::Lost(error) => return Err(self.lost(error)),
                    Step::Event(_) | Step::Changed => {}
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            (running, ask) = (still, Ask::Alive);
        }
    }

    /// Whether a thread runs, after it was asked that or to stop.
    async fn ask_thread(&mut self, thread: &Holding, ask: Ask) -> Result<bool> {
        let mut args = Args::new();
        // Ints can always be written.
        let _ = args.push(&0).and_then(|()| args.push(&-(thread.id as i64))).and_then(|()| args.push(&(ask as u8)));
        let Some(function) = self.epoch.as_ref().map(|epoch| epoch.form(&THREAD)) else { return Ok(false) };
        let Some(body) = self.epoch.as_ref().and_then(|epoch| epoch.call(function, &args, None)) else {
            return Ok(false);
        };
        let payload = self.answer_of(function, body).await?;
        Ok(payload.is_some_and(|payload| reply::decode(&payload) == Ok(1_u8)))
    }
}
