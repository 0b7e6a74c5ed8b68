//! Getting hold of a board again: after a reset, after its line ended, after it ignored what it was told.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    actor::{Actor, Lost},
    attach::FIRST_PATIENCE,
    status::{Event, State},
};
use crate::{
    error::{Error, Result},
    transport::{Line, open_by},
};

/// How long is waited before a line is opened for the second time; each further time waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Actor {
    /// Makes sure that the board takes calls. If that fails, everybody who waits is told.
    pub(super) async fn reach(&mut self) {
        if let Err(error) = self.take_hold(None).await {
            self.queue.fail(&error);
        }
    }

    /// The same after a reset that was asked for.
    pub(super) async fn come_back(&mut self, deadline: Instant) -> Result<()> {
        self.take_hold(Some(deadline)).await
    }

    /// Opens the line if it has ended, and attaches. Without a deadline it goes on as long as anybody waits, and gives
    /// up without an error.
    async fn take_hold(&mut self, deadline: Option<Instant>) -> Result<()> {
        loop {
            let opened = self.wire.is_none();
            if opened && !self.open_again(deadline).await? {
                return Ok(());
            }
            self.shared.status.enter(State::Recovering);
            let attached = match self.pick_up().await {
                Ok(()) if self.epoch.as_ref().is_some_and(|epoch| !epoch.locked) => Ok(()),
                Ok(()) => self.attach_again().await,
                error => error,
            };
            match attached {
                Err(Error::Lost { .. }) if self.opener.is_some() => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.pause = Duration::ZERO;
                    if opened {
                        self.shared.status.reconnections.count();
                        self.shared.status.tell(Event::Reconnected);
                    }
                    self.shared.status.enter(State::Ready);
                    return Ok(());
                }
            }
        }
    }

    /// Opens the line, again and again with pauses that grow; false when nobody waits for it any more.
    async fn open_again(&mut self, deadline: Option<Instant>) -> Result<bool> {
        if self.opener.is_none() {
            return Err(self.lost_for_good("only the program that made the line can open it again"));
        }
        loop {
            let begun = Instant::now();
            let again = begun + self.pause;
            while Instant::now() < again {
                self.next(Some(deadline.map_or(again, |deadline| again.min(deadline)))).await;
                if !self.is_waited_for(deadline) {
                    return self.gave_up(deadline);
                }
            }
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            let until = begun + self.limits.open;
            match self.new_line(until, deadline, |actor| actor.is_waited_for(deadline)).await {
                Some(Ok(line)) => {
                    self.take_line(line);
                    return Ok(true);
                }
                Some(Err(error)) => tracing::debug!(port = self.shared.port, %error, "it cannot be opened again yet"),
                None => return self.gave_up(deadline),
            }
        }
    }

    /// Has the line opened once; `None` as soon as it is not `wanted` any more, which is asked at `wake`, too. The queue is
    /// looked after meanwhile.
    async fn new_line(
        &mut self,
        until: Instant,
        wake: Option<Instant>,
        wanted: impl Fn(&Self) -> bool,
    ) -> Option<Result<Box<dyn Line>>> {
        let opener = self.opener.clone()?;
        let port = self.shared.port.clone();
        let mut opening = Box::pin(open_by(until, &port, async move { opener().await }));
        loop {
            tokio::select! {
                biased;
                outcome = &mut opening => return Some(outcome),
                _ = self.next(wake) => if !wanted(self) {
                    return None;
                }
            }
        }
    }

    fn is_waited_for(&self, deadline: Option<Instant>) -> bool {
        match deadline {
            Some(deadline) => Instant::now() < deadline,
            None => !self.queue.is_empty() || self.is_adrift() && !self.asked.closes(),
        }
    }

    /// Whether somebody waits to hear what became of a call that was under way when the line ended.
    pub(super) fn is_adrift(&self) -> bool {
        !self.adrift.is_empty()
    }

    /// Finds out what became of calls that were under way when the last line ended: where the board went on, it can tell.
    async fn pick_up(&mut self) -> Result<()> {
        self.flying.append(&mut self.adrift);
        let Some(first) = self.flying.front_mut() else { return Ok(()) };
        let (id, lost) = (first.job.id, first.lost.as_deref_mut());
        if let Some(Lost { expect, began, .. }) = lost
            && let (Some(expect), Some(wire)) = (expect.take(), &mut self.wire)
        {
            wire.repl.resume(id, expect, *began);
        }
        // Not stopped at once: what has ended by itself has a reply.
        let answered = self.ask_and_wait(Instant::now() + FIRST_PATIENCE).await?;
        if answered {
            // The question stands behind all of them, whatever of them was heard.
            self.flying.iter_mut().filter(|flying| !flying.answered).for_each(|flying| {
                flying.ended.get_or_insert_default();
            });
        }
        self.recount().await;
        if self.wire.is_none() { Err(self.lost_for_good("the line has ended")) } else { Ok(()) }
    }

    fn gave_up(&self, deadline: Option<Instant>) -> Result<bool> {
        match deadline {
            Some(_) => Err(self.lost_for_good("it did not come back")),
            None => Ok(false),
        }
    }

    /// Enters the raw REPL and sees to it that the agent is there. A board that ignores Ctrl-C gets its line opened
    /// anew, which resets some.
    pub(super) async fn attach_again(&mut self) -> Result<()> {
        let mut tried = "Ctrl-C and Ctrl-A".to_owned();
        // One that has been told to stop in vain is not told as long again, if there is something else to try.
        let known = self.deaf && self.opener.is_some();
        let patience = if known { self.limits.recover / 5 } else { self.limits.recover };
        let status = match self.resync_with_backlog(patience).await {
            Err(Error::Open { .. }) => {
                self.deaf = true;
                if self.opener.is_none() {
                    return Err(self.unresponsive(&tried));
                }
                tried.push_str(", then opening the port again and the same");
                let until = Instant::now() + self.limits.open;
                // Some ports are one program's at a time, even if that program is this one.
                self.wire = None;
                match self.new_line(until, None, |_| true).await {
                    Some(Ok(line)) => self.take_line(line),
                    _ => return Err(self.unresponsive(&format!("{tried}, but the port did not open"))),
                }
                match self.resync(until).await {
                    Err(Error::Open { .. }) => return Err(self.unresponsive(&tried)),
                    status => status?,
                }
            }
            status => status?,
        };
        self.deaf = false;
        self.settle_in(status, Instant::now() + self.limits.open).await
    }

    /// Compares the epoch that was found with the one before.
    pub(super) fn note_epoch(&mut self, token: u32) {
        let last = self.last_epoch.replace(token);
        if last != Some(token) {
            self.scopes.clear();
            self.shared.held_tasks.clear();
        }
        self.shared.held.enter(token);
        if last.is_some_and(|last| last != token) {
            self.shared.status.resets.count();
            self.shared.status.tell(Event::Reset);
        }
    }

    pub(super) fn lost_for_good(&self, reason: &str) -> Error {
        Error::Lost { port: self.shared.port.clone(), reason: reason.to_owned(), source: None }
    }

    pub(super) fn unresponsive(&self, tried: &str) -> Error {
        Error::Unresponsive { port: self.shared.port.clone(), tried: tried.to_owned() }
    }
}
