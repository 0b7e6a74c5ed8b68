//! From the queue to the board: which call goes next, and what has to be there before it.

use tokio::time::Instant;

use super::{
    actor::{Actor, Flying},
    epoch::scope_key,
    holdings::NONE,
    modules::RESET,
    sealed::Fault,
    status::Event,
};
use crate::{
    agent::{
        self, Body,
        library::{FREE, GUARD, VALUE},
    },
    codec::{args::Args, reply},
    error::{Error, Result},
    exception::Exception,
    executor::{Standing, Work},
    repl::{Lane, Request},
    task::{Kind, Scope, Task},
};

impl Actor {
    /// Hands over what can be handed over. A call stays in the queue until it is, so that it can be taken back.
    pub(super) async fn start_ready(&mut self) {
        self.free_dropped();
        while self.pings.is_empty()
            && !self.doubtful
            && !self.has_ended()
            && !self.asked.interrupts()
            && self.flying.len() < self.limits.in_flight.max(1)
        {
            let Some(job) = self.queue.first() else { return };
            let (id, work) = (job.id, job.call.work.clone());
            let ready = self.epoch.as_ref().is_some_and(|epoch| !epoch.locked);
            let alone = self.flying.is_empty();
            if !alone && (!ready || work.needs_line_alone()) {
                return;
            }
            if let Work::Exclusive { lease } = work {
                self.lend(id, lease);
            } else if work.needs_line_alone() && self.wire.is_some() {
                // A reset helps a board, too, whose heap has no room left for a greeting.
                Box::pin(self.restart(id, &work)).await;
            } else if !ready {
                Box::pin(self.reach()).await;
                // What was dropped while the board was away goes first.
                self.free_dropped();
            } else {
                match self.body(id, &work).await {
                    Some(body) => {
                        if !self.hand_over(id, body).await {
                            return;
                        }
                    }
                    None if alone => {}
                    // It has to be put on the board first, when nothing else is under way.
                    None => return,
                }
            }
        }
    }

    /// The request that a call makes, once all that it needs is on the board. `None`: look again what comes next.
    async fn body(&mut self, id: u64, work: &Work) -> Option<Body> {
        let lease = self.queue.get_mut(id)?.call.lease;
        let epoch = self.epoch.as_ref()?;
        let (scope, missing) = match work {
            Work::Task { task, args, .. } if matches!(task.kind, Kind::Setup | Kind::Teardown) => {
                if let Some(setup) = self.uncalled(task) {
                    self.queue.take(id)?.answer(Err(Self::missing_setup(task, setup)));
                } else if self.flying.is_empty() {
                    Box::pin(self.call_module(id, task, args)).await;
                }
                return None;
            }
            Work::Task { task, args, via } => {
                match via.as_ref().and_then(|via| via.uses.as_ref()).map(|held| held.standing(epoch.token())) {
                    Some(Standing::Released) => {
                        self.queue.take(id)?.released(&self.shared.port);
                        return None;
                    }
                    Some(Standing::Gone) => {
                        self.queue.take(id)?.gone(&self.shared.port);
                        return None;
                    }
                    Some(Standing::There) | None => {}
                }
                if let Some(setup) = self.uncalled(task) {
                    self.queue.take(id)?.answer(Err(Self::missing_setup(task, setup)));
                    return None;
                }
                match epoch.missing(task, via.as_ref()) {
                    None => {
                        let body = epoch.call(task, args, via.as_ref());
                        let made = via.as_ref().and_then(|via| via.makes.as_ref());
                        if made.is_some_and(|made| !made.is_made(epoch.token(), lease)) {
                            self.queue.take(id)?.released(&self.shared.port);
                            return None;
                        }
                        self.note_scope(task.scope);
                        self.shared.held_tasks.note(task);
                        return body;
                    }
                    missing => (task.scope, missing),
                }
            }
            Work::Eval { expression, scope } => {
                let value = epoch.form(&VALUE);
                let mut args = Args::new();
                // Ints and text can always be written.
                let _ = args.push(&scope_key(scope)).and_then(|()| args.push(&**expression));
                match epoch.call(value, &args, None) {
                    Some(body) if !self.modules.is_due(epoch, scope) => return Some(body),
                    Some(_) => (*scope, None),
                    None => (*scope, Some(value)),
                }
            }
            Work::Exec { source, name, scope } => {
                if !self.modules.is_due(epoch, scope) {
                    return Some(epoch.exec(source, &harmless(name), scope));
                }
                (*scope, None)
            }
            Work::Release { scope } => {
                if self.flying.is_empty() {
                    Box::pin(self.release(id, scope)).await;
                }
                return None;
            }
            Work::Free(freeing) => {
                if freeing.epoch != epoch.token() {
                    // A reset has done it.
                    self.queue.take(id)?.answer(Ok(NONE.to_vec()));
                    return None;
                }
                let free = epoch.form(&FREE);
                let mut args = Args::new();
                // Ints can always be written.
                let _ = freeing.batch.ids.iter().try_for_each(|&id| args.push(&-i64::from(id)));
                match epoch.call(free, &args, None) {
                    Some(body) => return Some(body),
                    None => (free.scope, Some(free)),
                }
            }
            Work::SoftReset | Work::HardReset | Work::Exclusive { .. } => return None,
        };
        // It has to be put on the board first, when nothing else is under way.
        if self.flying.is_empty() {
            Box::pin(self.deploy_for(id, scope, missing)).await;
        }
        None
    }

    /// Remembers that a task of this namespace was called.
    pub(super) fn note_scope(&mut self, scope: &'static Scope) {
        self.modules.note_use(scope);
        let is = |known: &&'static Scope| std::ptr::eq(*known, scope);
        if is(&&agent::library::LIBRARY) || self.scopes.iter().any(is) {
            return;
        }
        self.scopes.push(scope);
        let mut scopes = self.shared.scopes();
        if !scopes.iter().any(is) {
            scopes.push(scope);
        }
    }

    /// Puts on the board what a call needs that waits for it.
    async fn deploy_for(&mut self, id: u64, scope: &'static Scope, task: Option<&'static Task>) {
        self.queue.prepare(id);
        if let Some(job) = self.queue.get_mut(id) {
            job.deployed = true;
        }
        let mut outcome = self.set_up(scope, None).await;
        if let (Ok(()), Some(task)) = (&outcome, task) {
            outcome = self.deploy(task).await;
        }
        self.queue.prepared();
        if let Err(error) = outcome
            && let Some(mut job) = self.queue.take(id)
        {
            job.answer(Err(error));
        }
    }

    /// Sends a call; false if it has to wait for those in flight.
    async fn hand_over(&mut self, id: u64, body: Body) -> bool {
        let body = self.packed(body);
        let (Some(wire), Some(epoch)) = (&mut self.wire, &mut self.epoch) else { return false };
        let n = epoch.calls + 1;
        if !epoch.verifies() && !epoch.guarded {
            let code = agent::bare(&body.whole());
            let Some(lane) = epoch.lane(&wire.repl, code.len()) else { return false };
            let Some(mut job) = self.queue.take(id) else { return true };
            epoch.calls = n;
            let expect = epoch.answer(n);
            let long = matches!(lane, Lane::RawPaste { .. }).then_some(code.len());
            wire.repl.submit(Request { id, code, lane, expect });
            if let Some(total) = long {
                self.begin_transfer(job.call.name(), total);
            }
            self.shared.status.count_call(&mut job);
            self.flying.push_back(Flying::new(job, n));
            return true;
        }
        if !self.flying.is_empty() {
            return false;
        }
        let Some(mut job) = self.queue.take(id) else { return true };
        self.shared.status.count_call(&mut job);
        let until = job.deadline;
        let what = job.call.name().to_owned();
        self.flying.push_back(Flying::new(job, n));
        let outcome = Box::pin(self.request(id, body, &what, until)).await;
        // An interrupt has already told its caller, or put it back into the queue.
        let Some(flying) = self.flying.pop_front_if(|flying| flying.job.id == id) else { return true };
        let mut job = flying.job;
        match outcome {
            Ok(payload) => {
                self.note_interrupt(&payload);
                job.answer(Ok(payload));
            }
            Err(Fault::Gone) => self.queue.put_back(job),
            Err(Fault::Stopped) => {}
            Err(Fault::Reset) if job.call.is_idempotent() => self.queue.put_back(job),
            Err(Fault::Reset) => job.answer(Err(self.unknown(&what, RESET))),
            Err(Fault::Error(Error::OutcomeUnknown { .. })) if job.call.is_idempotent() => self.queue.put_back(job),
            Err(Fault::Error(error)) => job.answer(Err(error)),
        }
        true
    }

    /// Puts a source on the board: a setup runs with that. If the board has been reset, there is no epoch afterwards.
    pub(super) async fn deploy(&mut self, one: &'static Task) -> Result<()> {
        let Some(epoch) = &self.epoch else { return Ok(()) };
        let body = epoch.deployment(one);
        let guards = std::ptr::eq(one, &GUARD);
        let what = format!("deploying {}", one.name);
        let id = self.next_id();
        if let Some(epoch) = self.epoch.as_mut().filter(|_| guards) {
            // It is in force when its own deployment is answered.
            epoch.guarded = true;
        }
        let until = Instant::now() + one.timeout.filter(|_| one.kind == Kind::Setup).unwrap_or(self.limits.deploy);
        let payload = match self.request(id, body, &what, until).await {
            Ok(payload) => payload,
            // The caller finds no epoch and attaches again.
            Err(Fault::Gone | Fault::Stopped) => {
                self.epoch = None;
                return Ok(());
            }
            Err(Fault::Reset) => return self.begin_anew(one),
            Err(Fault::Error(error)) => return Err(error),
        };
        self.modules.went_through();
        self.note_interrupt(&payload);
        // What was parsed when the program was compiled may have been changed on the way: with checks it shows.
        if self.is_unchecked() && Exception::from_reply(&payload).is_some_and(|e| e.kind() == "SyntaxError") {
            self.distrust();
            return Ok(());
        }
        crate::call::check(one.name, &payload, Some(one))?;
        let index: usize = reply::decode(&payload)
            .map_err(|source| Error::WrongType { task: one.name.to_owned(), source: Box::new(source) })?;
        if let Some(epoch) = &mut self.epoch {
            epoch.holds(one, index);
        }
        self.note_scope(one.scope);
        self.shared.status.deployments.count();
        self.shared.status.tell(Event::Deployed { name: one.name.to_owned() });
        Ok(())
    }

    /// After an exception that looks like an interrupt, the agent takes no calls until it is greeted.
    pub(super) fn note_interrupt(&mut self, payload: &[u8]) {
        if Exception::may_be_interrupt(payload)
            && let Some(epoch) = &mut self.epoch
        {
            epoch.locked = true;
        }
    }
}

/// A file's name as it can stand in a literal.
fn harmless(name: &str) -> String {
    name.replace(|c: char| c.is_control() || matches!(c, '\'' | '"' | '\\'), "_")
}
