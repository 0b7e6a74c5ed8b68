//! What the session is asked for beside calls: to stop the board, to reset it, to lend it, to end.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::{
    actor::{Actor, Step},
    job::Job,
    status::State,
};
use crate::{
    error::{Error, Result},
    exception::Exception,
    executor::Work,
    repl::{Event, Expect, Lane, Request},
    task::Task,
};

/// How long a board that was told to reset itself may take until its line ends or it says something.
const RESET_PATIENCE: Duration = Duration::from_millis(500);

/// Told when it is done.
type Done = oneshot::Sender<Result<()>>;

/// What has been asked for and is to be done next.
#[derive(Default)]
pub(super) struct Asked {
    interrupts: Vec<Done>,
    closes: Vec<Done>,
}

impl Asked {
    pub(super) fn closes(&self) -> bool {
        !self.closes.is_empty()
    }

    /// Whether what runs now is to be stopped.
    pub(super) fn interrupts(&self) -> bool {
        !self.interrupts.is_empty()
    }
}

impl Actor {
    pub(super) fn queue_up(&mut self, mut job: Box<Job>) {
        if self.asked.closes() {
            job.answer(Err(self.shared.closed()));
        } else {
            self.queue.push(job);
        }
    }

    pub(super) fn ask_to_interrupt(&mut self, done: Done) {
        if self.wire.is_none() {
            // Whoever asked may have gone.
            let _ = done.send(Err(self.lost_for_good("the line has ended")));
            return;
        }
        let runs = self.flying.iter_mut().find(|flying| !flying.answered);
        if let Some(runs) = runs.filter(|flying| !flying.abandoned) {
            runs.cancelled = true;
        }
        self.asked.interrupts.push(done);
    }

    pub(super) fn ask_to_close(&mut self, done: Done) {
        self.asked.closes.push(done);
        let closed = self.shared.closed();
        self.queue.fail(&closed);
    }

    /// Stops the board because somebody asked for it.
    pub(super) async fn obey(&mut self) {
        if !self.asked.interrupts() {
            return;
        }
        // What is to be stopped was marked when it was asked for: what was sent since is not meant.
        Box::pin(self.stop_board()).await;
        let outcome = match (&self.wire, &self.epoch) {
            (None, _) => Err(self.lost_for_good("the line has ended")),
            (_, None) if self.deaf => Err(self.unresponsive("Ctrl-C and Ctrl-A")),
            _ => Ok(()),
        };
        for done in self.asked.interrupts.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(outcome.clone());
        }
    }

    /// Lends the board to the call that is first in the queue.
    pub(super) fn lend(&mut self, id: u64, lease: u64) {
        let Some(mut job) = self.queue.take(id) else { return };
        if job.call.lease.is_some_and(|lease| self.queue.is_lent_to(lease)) {
            let what = "exclusive use within exclusive use".to_owned();
            let reason = "this handle has the board to itself already".to_owned();
            job.answer(Err(Error::Unsupported { what, reason }));
        } else if job.is_waited_for() {
            self.queue.lend(lease);
            job.answer(Ok(Vec::new()));
        }
    }

    /// Resets the board for a call that asked for it.
    pub(super) async fn restart(&mut self, id: u64, work: &Work) {
        let Some(mut job) = self.queue.take(id) else { return };
        self.shared.status.count_call(&mut job);
        self.shared.status.enter(State::Recovering);
        // The caller waits until its own deadline, and the board has as long as opening it may take.
        self.restarting = Some(job);
        let deadline = Instant::now() + self.limits.open;
        let outcome = match work {
            Work::HardReset => self.hard_reset(deadline).await,
            _ => match self.soft_reset(deadline).await {
                // MicroPython's unix port exits at a soft reset: opening it again is what was asked for.
                Err(Error::Lost { .. }) if self.opener.is_some() => self.come_back(deadline).await,
                outcome => outcome,
            },
        };
        if outcome.is_ok() {
            self.shared.status.enter(State::Ready);
        }
        if let Some(mut job) = self.restarting.take() {
            job.answer(outcome.map(|()| Vec::new()));
        }
    }

    /// Resets the processor: where USB is its own, the line ends and is opened again.
    async fn hard_reset(&mut self, deadline: Instant) -> Result<()> {
        let before = self.last_epoch;
        self.listen(deadline).await?;
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Err(self.lost_for_good("the line has ended")) };
        let never = Expect::between("\0never\0", "\0");
        wire.repl.submit(Request { id, code: HARD_RESET.to_vec(), lane: Lane::Plain, expect: never });
        let until = deadline.min(Instant::now() + RESET_PATIENCE);
        loop {
            match self.next(Some(until)).await {
                Step::Event(Event::Ended { id: of, error }) if of == id => {
                    self.epoch = None;
                    let reason = Exception::from_traceback(&error).map_or_else(
                        || "it has neither `machine.reset` nor `microcontroller.reset`".to_owned(),
                        |exception| format!("the board said: {exception}"),
                    );
                    return Err(Error::Unsupported { what: "hard_reset".to_owned(), reason });
                }
                Step::Event(_) | Step::Changed => {}
                Step::TimeUp => break,
                Step::Lost(error) => {
                    let error = self.lost(error);
                    if self.opener.is_none() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        self.come_back(deadline).await?;
        if before.is_some() && before == self.last_epoch {
            let reason = "it was told to reset and went on".to_owned();
            return Err(Error::Unsupported { what: "hard_reset".to_owned(), reason });
        }
        Ok(())
    }

    /// Ends the session: the board runs what it is to run last, and is left in the REPL for people.
    pub(super) async fn close(&mut self) {
        let mut outcome = Ok(());
        if self.asked.closes() {
            // What threads and generators do at their end may need what teardowns put away.
            outcome = self.let_everything_go().await;
            outcome = outcome.and(self.tear_down().await);
        }
        self.leave().await;
        self.shared.held.enter(0);
        self.shared.held_tasks.clear();
        // The port is free before anybody hears that it is.
        self.wire = None;
        for mut flying in self.adrift.drain(..) {
            flying.unknown(&self.shared.port, "");
        }
        self.shared.status.enter(State::Closed);
        for done in self.asked.closes.drain(..) {
            let _ = done.send(outcome.clone());
        }
    }

    /// Runs the teardowns of the namespaces that were used, all of them, and tells of the first that failed.
    async fn tear_down(&mut self) -> Result<()> {
        let scopes = self.scopes.clone();
        let mut outcome = Ok(());
        for teardown in scopes.into_iter().rev().flat_map(|scope| scope.teardowns.iter().rev()) {
            outcome = outcome.and(self.tear_down_with(teardown).await);
        }
        outcome
    }

    pub(super) async fn tear_down_with(&mut self, teardown: &'static Task) -> Result<()> {
        if self.wire.is_none() {
            return Err(self.lost_for_good("its teardowns could not be run"));
        }
        if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) {
            self.attach_again().await?;
        }
        // A board that was reset meanwhile has nothing left to tear down.
        let used = self.scopes.iter().any(|scope| std::ptr::eq(*scope, teardown.scope));
        let due = used && !self.modules.has_torn_down(teardown);
        let Some(epoch) = self.epoch.as_ref().filter(|_| due) else { return Ok(()) };
        let body = epoch.exec(teardown.source, teardown.name, teardown.scope);
        self.run_text(teardown, body).await
    }

    /// Leaves the board in the REPL for people, as far as it listens.
    async fn leave(&mut self) {
        self.leaving = true;
        if let Some(wire) = &mut self.wire {
            wire.repl.control(b"\x02");
            let until = Instant::now() + Duration::from_millis(100);
            while matches!(self.next(Some(until)).await, Step::Event(_) | Step::Changed) {
                if self.wire.as_mut().is_none_or(|wire| wire.repl.outgoing().is_empty()) {
                    break;
                }
            }
        }
    }
}

/// What resets any board that can be reset from Python.
const HARD_RESET: &[u8] = b"try:import machine as _b\nexcept ImportError:import microcontroller as _b\n_b.reset()";
