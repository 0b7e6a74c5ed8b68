//! From the queue to the board: which call goes next, and what has to be there before it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    actor::{Actor, Flying},
    job::Job,
    sealed::Fault,
};
use crate::{
    agent::{self, Body, library::FREE},
    codec::{args::Args, reply},
    error::{Error, Result},
    exception::Exception,
    executor::{Call, Work},
    repl::Request,
    task::{Kind, Task},
};

/// How many calls are handed to the board before the first of them has answered.
const MOST_IN_FLIGHT: usize = 16;

/// How many things on the board one call frees.
const MOST_FREED: usize = 16;

impl Actor {
    /// Hands over what can be handed over.
    pub(super) async fn start_ready(&mut self) {
        self.free_dropped();
        while self.ping.is_none() && !self.doubtful && !self.queue.is_empty() && self.flying.len() < MOST_IN_FLIGHT {
            if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) && !self.flying.is_empty() {
                return;
            }
            let Some(mut job) = self.queue.pop_front() else { return };
            let begun = Instant::now();
            if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) {
                let deadline = begun + self.limits.recover.max(self.limits.open);
                if let Err(error) = self.ensure_attached(deadline).await {
                    job.answer(Err(error));
                    continue;
                }
                job.deadline += begun.elapsed();
            }
            match job.call.work.clone() {
                Work::SoftReset if self.flying.is_empty() => {
                    let outcome = self.soft_reset().await;
                    job.answer(outcome.map(|()| Vec::new()));
                }
                Work::SoftReset => {
                    self.queue.push_front(job);
                    return;
                }
                Work::Task { task, args, via } => {
                    let Some(epoch) = &self.epoch else { return self.queue.push_front(job) };
                    if via.as_ref().is_some_and(|via| !via.makes && !via.held.is_in(epoch.token())) {
                        job.gone(&self.shared.port);
                        continue;
                    }
                    if let Some(missing) = epoch.missing(task, via.as_ref()) {
                        if !self.flying.is_empty() {
                            return self.queue.push_front(job);
                        }
                        let outcome = self.deploy(missing).await;
                        job.deadline += begun.elapsed();
                        match outcome {
                            Ok(()) => self.queue.push_front(job),
                            Err(error) => job.answer(Err(error)),
                        }
                        continue;
                    }
                    let Some(body) = epoch.call(task, &args, via.as_ref()) else { return self.queue.push_front(job) };
                    if let Some(via) = via.filter(|via| via.makes) {
                        via.held.is_made(epoch.token());
                    }
                    if let Some(job) = self.hand_over(job, body).await {
                        return self.queue.push_front(job);
                    }
                }
                Work::Exec { source } => {
                    let Some(epoch) = &self.epoch else { return self.queue.push_front(job) };
                    let body = epoch.exec(&source);
                    if let Some(job) = self.hand_over(job, body).await {
                        return self.queue.push_front(job);
                    }
                }
            }
        }
    }

    /// Puts a call at the head of the queue that frees what nobody holds any more. Nobody waits for it.
    fn free_dropped(&mut self) {
        let Some(epoch) = &self.epoch else { return };
        let dropped = self.shared.held.take_dropped(epoch.token());
        for some in dropped.chunks(MOST_FREED) {
            let mut args = Args::new();
            // Ints can always be written.
            let written = some.iter().try_for_each(|&id| args.push(&-i64::from(id)));
            let work = Work::Task { task: epoch.form(&FREE), args: Arc::new(args), via: None };
            if written.is_ok() {
                self.queue.push_front(Job::unwatched(self.next_id(), Call::new(work), self.limits.call));
            }
        }
    }

    /// Sends a call, unless it has to wait for those in flight: then it comes back.
    async fn hand_over(&mut self, job: Job, body: Body) -> Option<Job> {
        let (Some(wire), Some(epoch)) = (&mut self.wire, &mut self.epoch) else { return Some(job) };
        let id = job.id;
        let n = epoch.calls + 1;
        if !epoch.verifies() {
            let code = agent::bare(&body.whole());
            let Some(lane) = epoch.lane(&wire.repl, code.len()) else { return Some(job) };
            epoch.calls = n;
            let expect = epoch.answer(n);
            wire.repl.submit(Request { id, code, lane, expect });
            self.flying.push_back(Flying { job, n, abandoned: false, answered: false, ended: None });
            return None;
        }
        if !self.flying.is_empty() {
            return Some(job);
        }
        let until = job.deadline;
        let what = job.call.name().to_owned();
        self.flying.push_back(Flying { job, n, abandoned: false, answered: false, ended: None });
        let outcome = self.request(id, body, &what, until).await;
        // An interrupt has already told its caller, or put it back into the queue.
        let mut job = self.flying.pop_front().filter(|flying| flying.job.id == id)?.job;
        match outcome {
            Ok(payload) => {
                self.note_interrupt(&payload);
                job.answer(Ok(payload));
            }
            Err(Fault::Gone) => self.queue.push_front(job),
            Err(Fault::Stopped) => {}
            Err(Fault::Error(Error::OutcomeUnknown { .. })) if job.call.is_idempotent() => self.queue.push_front(job),
            Err(Fault::Error(error)) => job.answer(Err(error)),
        }
        None
    }

    /// Puts a task on the board, after the setups of its scope.
    async fn deploy(&mut self, task: &'static Task) -> Result<()> {
        let setups = task.scope.setups.iter().filter(|setup| setup.params.is_empty());
        for one in setups.copied().chain([task]) {
            let Some(epoch) = self.epoch.as_ref().filter(|epoch| epoch.index(one).is_none()) else { continue };
            let body = epoch.deployment(one);
            let what = format!("deploying {}", one.name);
            let id = self.next_id();
            let until = Instant::now() + one.timeout.filter(|_| one.kind == Kind::Setup).unwrap_or(self.limits.deploy);
            let payload = match self.request(id, body, &what, until).await {
                Ok(payload) => payload,
                // The caller finds no epoch and attaches again.
                Err(Fault::Gone | Fault::Stopped) => {
                    self.epoch = None;
                    return Ok(());
                }
                Err(Fault::Error(error)) => return Err(error),
            };
            self.note_interrupt(&payload);
            crate::call::check(one.name, &payload, Some(one))?;
            let index: usize = reply::decode(&payload)
                .map_err(|source| Error::WrongType { task: one.name.to_owned(), source: Box::new(source) })?;
            if let Some(epoch) = &mut self.epoch {
                epoch.holds(one, index);
            }
        }
        Ok(())
    }

    /// After an exception that looks like an interrupt, the agent takes no calls until it is greeted.
    pub(super) fn note_interrupt(&mut self, payload: &[u8]) {
        let interrupted = Exception::from_reply(payload).is_some_and(|e| e.kind() == "KeyboardInterrupt");
        if interrupted && let Some(epoch) = &mut self.epoch {
            epoch.locked = true;
        }
    }
}
