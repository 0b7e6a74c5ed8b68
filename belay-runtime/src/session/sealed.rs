//! Requests that must not run damaged, twice or unnoticed: one at a time, counted by the agent, repeated only with
//! proof.
//!
//! The agent counts the calls that it lets through and keeps the last reply. When anything looks wrong, a greeting
//! tells whether the request ran: if it did, its reply is written again; if not, the request is sent again.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::actor::{Actor, Step as Next};
use super::{
    attach::comes_of_damage,
    epoch::nonce,
    wire::{Pace, count},
};
use crate::{
    agent::{self, Body, Capabilities, Status},
    board::Step,
    error::{AfterTimeout, Error},
    exception::Exception,
    repl::{Event, Lane, REFUSED, Request},
};

/// How long a board that is not busy takes at most to say something, besides the time of the bytes.
const PATIENCE: Duration = Duration::from_millis(150);
/// The slowest line that is reckoned with: 9,600 baud.
const SLOWEST_BYTE: Duration = Duration::from_micros(1100);
const MOST_ATTEMPTS: u32 = 50;
/// What any line holds: requests up to this length go in one write whatever has been learned.
const SURE: usize = 48;
/// How fast a small board undoes compression, in bytes a second: a line that is faster carries sources as they are.
const INFLATING: u32 = 200_000;
/// How long a board that is being pasted to gives no credit before something is taken for lost.
const STARVED: Duration = Duration::from_secs(1);
/// How often a reply is lost before it is fetched in slices.
const MOST_REPLIES_LOST: u32 = 3;
/// How often a board that says nothing is asked whether it listens, each time with twice the patience, before it is
/// interrupted: it may only have been busy, or its host, and an interrupt then hits the request itself.
const MOST_PINGS: usize = 3;

/// Why a request has no answer.
pub(super) enum Fault {
    /// The agent is not there (any more), and the request did not run: attach and begin again.
    Gone,
    /// Nobody waits for it any more: the board has been stopped.
    Stopped,
    /// The board was reset while it was under way.
    Reset,
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What to do about a reply that comes damaged again and again.
#[derive(Clone, Copy)]
pub(super) enum Damaged {
    /// Have it written again: it is short.
    Repeat,
    /// Fetch it in slices.
    Fetch,
}

/// What became of a request that did not answer.
enum Fate {
    Ran,
    DidNotRun,
}

/// One request on its way.
struct Attempt {
    id: u64,
    n: u32,
    answer: Option<Vec<u8>>,
    refused: bool,
    /// It ended without an answer; what the board printed as an error.
    ended: Option<Vec<u8>>,
    pings: Vec<u64>,
    /// How many bytes had come when it was asked last.
    heard_before: u64,
    /// It looks as if it had ended without an answer.
    suspected: bool,
    /// The board had not read it as it should.
    spared: bool,
}

impl Attempt {
    /// Whether it ended as a request ends that was changed on the way.
    fn is_damaged(&self) -> bool {
        let Some(error) = &self.ended else { return false };
        Exception::from_traceback(error).is_none_or(|exception| comes_of_damage(&exception))
    }
}

impl Actor {
    /// One request with the line to itself, sent in the way that the line bears: the board learns what it is asked at
    /// once, or, if that does not arrive whole, step by step more slowly.
    pub(super) async fn request(&mut self, id: u64, body: Body, what: &str, until: Instant) -> Result<Vec<u8>, Fault> {
        let body = self.packed(body);
        let whole = body.whole();
        if body.is_source() {
            self.begin_transfer(what, whole.len());
        }
        let outcome = self.down_the_ladder(id, body, &whole, what, until).await;
        self.end_transfer();
        outcome
    }

    async fn down_the_ladder(
        &mut self,
        id: u64,
        body: Body,
        whole: &[u8],
        what: &str,
        until: Instant,
    ) -> Result<Vec<u8>, Fault> {
        let mut tried: Vec<String> = Vec::new();
        loop {
            let epoch = self.epoch.as_ref().ok_or(Fault::Gone)?;
            let (verifies, window) = (epoch.verifies(), epoch.capabilities.raw_paste);
            let step = match window {
                // A board may grant more than its line holds.
                Some(_) if whole.len() > SURE => self.learned.step,
                None if verifies && whole.len() > self.learned.piece => Step::Pieces,
                // It fits the board's input: there is nothing to go down.
                _ => return self.whole(id, whole, what, until, Damaged::Fetch).await,
            };
            let begun = Instant::now();
            let outcome = if step == Step::Pieces {
                self.in_pieces(id, &body, what, until).await
            } else {
                let window = window.unwrap_or(0);
                self.set_pace(Pace::of(step, window));
                // What goes in one write may have met a chance fault, and is soon sent again.
                let attempts = if whole.len() < usize::from(window) * 2 { 2 } else { 1 };
                let outcome = self.attempts(id, whole, what, until, Damaged::Fetch, attempts).await;
                self.set_pace(None);
                outcome
            };
            if let Some(answer) = outcome? {
                if window.is_some() {
                    self.learned.transfer_was_good();
                    self.learned.timed_transfer(whole.len(), begun.elapsed());
                    self.publish();
                }
                return Ok(answer);
            }
            tried.push(step.to_string());
            let Some(next) = step.slower() else { return Err(self.never_whole(what, &tried)) };
            tracing::debug!(port = self.shared.port, what, %step, %next, "a transfer did not arrive whole");
            self.learned.transfer_was_bad(next);
            count(&self.shared.counts.resent);
            if next == Step::Pieces && !verifies {
                // Only the agents of verified lines take pieces.
                self.distrust();
                return Err(Fault::Gone);
            }
            // The greeting that comes with it proves that nothing of the attempt is still on its way.
            match self.resync_for(until).await? {
                Status::Present(present) => self.adopt(*present),
                Status::Absent => return Err(Fault::Gone),
            }
        }
    }

    pub(super) fn set_pace(&mut self, pace: Option<Pace>) {
        if let Some(wire) = &mut self.wire {
            wire.set_pace(pace);
        }
    }

    async fn in_pieces(&mut self, id: u64, body: &Body, what: &str, until: Instant) -> Result<Option<Vec<u8>>, Fault> {
        let outcome = self.piece_by_piece(id, body, what, until).await;
        // The agent forgets the pieces when anything is raised in it, but the heap may have had no room to call it.
        if let Err(Fault::Error(Error::Exception { .. })) = &outcome {
            let id = self.next_id();
            self.attempts(id, super::fetch::DROP, what, until, Damaged::Repeat, MOST_ATTEMPTS).await?;
        }
        outcome
    }

    async fn piece_by_piece(
        &mut self,
        id: u64,
        body: &Body,
        what: &str,
        until: Instant,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let raw = self.epoch.as_ref().is_some_and(|epoch| epoch.capabilities.raw_literals);
        let (long, last) = body.in_pieces();
        let mut rest = long.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.learned.piece.min(rest.len()));
            let request = agent::piece(piece, rest.len() == long.len(), raw);
            let id = self.next_id();
            let Some(answer) = self.attempts(id, &request, what, until, Damaged::Repeat, MOST_ATTEMPTS).await? else {
                return Ok(None);
            };
            if Exception::from_reply(&answer).is_some() {
                // The heap may be full.
                return Ok(Some(answer));
            }
            rest = after;
            self.reached(long.len() - rest.len());
        }
        self.attempts(id, &last, what, until, Damaged::Fetch, MOST_ATTEMPTS).await
    }

    /// A request in one, tried until it is known to have arrived.
    pub(super) async fn whole(
        &mut self,
        id: u64,
        body: &[u8],
        what: &str,
        until: Instant,
        damaged: Damaged,
    ) -> Result<Vec<u8>, Fault> {
        let outcome = self.attempts(id, body, what, until, damaged, MOST_ATTEMPTS).await?;
        outcome.ok_or_else(|| self.never_whole(what, &["one write".into()]))
    }

    /// A request in one, with so many attempts as long as it is known not to have run. `None`: it did not run, because
    /// all of them were damaged on the way.
    async fn attempts(
        &mut self,
        id: u64,
        body: &[u8],
        what: &str,
        until: Instant,
        damaged: Damaged,
        attempts: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let (mut again, mut refused, mut replies_lost) = (false, false, 0);
        let mut sent = 0;
        for _ in 0..MOST_ATTEMPTS {
            if !again && sent >= attempts {
                return Ok(None);
            }
            let counts = Arc::clone(&self.shared.counts);
            if again {
                count(&counts.fetched_again);
            } else {
                sent += 1;
                if sent > 1 {
                    count(&counts.resent);
                }
            }
            let epoch = self.epoch.as_ref().ok_or(Fault::Gone)?;
            let n = epoch.calls + 1;
            let code = match (again, epoch.verifies()) {
                (true, verifies) => agent::again(verifies).to_vec(),
                (false, true) => {
                    let Capabilities { raw_literals, interns_bytes, .. } = epoch.capabilities;
                    agent::seal(body, n - 1, raw_literals, interns_bytes)
                }
                (false, false) => agent::bare(body),
            };
            let mut attempt = Attempt {
                id,
                n,
                answer: None,
                refused: false,
                ended: None,
                pings: Vec::new(),
                heard_before: 0,
                suspected: false,
                spared: false,
            };
            self.send(&mut attempt, code)?;
            if self.watch(&mut attempt, until).await? {
                // The time is up, or nobody waits any more.
                return Err(self.stop(id, what, until).await);
            }
            if let Some(answer) = attempt.answer {
                self.learned.piece_was_good();
                if let Some(epoch) = &mut self.epoch {
                    epoch.calls = n;
                }
                // The program raised no such thing: it was the question whether the board still listens. A second
                // interrupt leaves the agent without words for the first.
                if again && Exception::may_be_interrupt(&answer) {
                    return Err(self
                        .unknown(what, "it was interrupted because the line seemed to have lost it")
                        .into());
                }
                return Ok(Some(answer));
            }
            self.learned.piece_was_bad();
            if attempt.refused {
                count(&counts.refused);
            }
            // A damaged request is refused once; one that is refused again meets an agent that waits for a greeting.
            if attempt.refused && !std::mem::replace(&mut refused, true) {
                again = false;
                continue;
            }
            refused = false;
            let changed = self.is_unchecked() && attempt.is_damaged();
            again = match self.fate(attempt, what, until).await? {
                Fate::Ran => true,
                Fate::DidNotRun if changed => {
                    self.distrust();
                    return Err(Fault::Gone);
                }
                Fate::DidNotRun => false,
            };
            replies_lost += u32::from(again);
            if let (Damaged::Fetch, MOST_REPLIES_LOST.., Some(epoch)) = (damaged, replies_lost, &mut self.epoch)
                && epoch.verifies()
            {
                epoch.calls = n;
                return self.fetch(id, n, what, until).await.map(Some);
            }
        }
        if again {
            return Err(self.unknown(what, "it ran, and its reply was damaged each time").into());
        }
        Ok(None)
    }

    fn send(&mut self, attempt: &mut Attempt, code: Vec<u8>) -> Result<(), Fault> {
        let (Some(wire), Some(epoch)) = (&mut self.wire, &self.epoch) else { return Err(Fault::Gone) };
        let lane = epoch.lane(&wire.repl, code.len()).unwrap_or(Lane::Plain);
        let expect = epoch.answer(attempt.n);
        wire.repl.submit(Request { id: attempt.id, code, lane, expect });
        Ok(())
    }

    fn is_pasting(&self, id: u64) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.repl.is_pasting(id))
    }

    fn is_running(&self, id: u64) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.repl.is_running(id))
    }

    /// Follows a request until it has ended, its fate is known, or it is late: then `true`.
    async fn watch(&mut self, attempt: &mut Attempt, until: Instant) -> Result<bool, Fault> {
        let verifies = self.epoch.as_ref().is_some_and(|epoch| epoch.verifies() || epoch.guarded);
        let mut patience = PATIENCE + SLOWEST_BYTE * 64;
        if let Some(wire) = &mut self.wire {
            patience += SLOWEST_BYTE * u32::try_from(wire.repl.outgoing().len()).unwrap_or(u32::MAX);
        }
        // `OK` is all that a task says which runs and is silent.
        let silent = self.shared.counts.read().bytes_in + 2;
        let mut heard = silent;
        loop {
            let patience = patience * (1 << attempt.pings.len().min(MOST_PINGS));
            let unread = self.is_pasting(attempt.id) || !verifies && !self.is_running(attempt.id);
            let wait = if unread { patience.max(STARVED) } else { patience };
            let wake = until.min(Instant::now() + wait);
            match self.next(Some(wake)).await {
                Next::Changed if self.is_unwanted(attempt.id) => return Ok(true),
                Next::Changed => {}
                Next::TimeUp if Instant::now() >= until => return Ok(true),
                Next::TimeUp if attempt.answer.is_some() || attempt.refused => return Ok(false),
                // The board gives no credit, or does not see the end: something of it was lost. It may have seen it since
                // the wait began, which is no event.
                Next::TimeUp if self.is_pasting(attempt.id) => return Ok(false),
                Next::TimeUp => {
                    let running = self.is_running(attempt.id);
                    let before = std::mem::replace(&mut heard, self.shared.counts.read().bytes_in);
                    match (running, attempt.pings.is_empty()) {
                        // It was not read to its end, and neither were the questions.
                        (false, _) if attempt.pings.len() >= MOST_PINGS => return Ok(false),
                        (false, _) => self.ping_behind(attempt, true),
                        // The end of its line was lost: the greeting was read as a part of it, and both have ended.
                        (true, false) if heard == before && attempt.suspected => return Ok(false),
                        // It talked and stopped: perhaps that was its reply, and damaged, or the board was reset.
                        (true, _) if heard == before && heard > silent.max(attempt.heard_before) => {
                            self.ping_behind(attempt, false);
                        }
                        (true, _) if self.silence.due(attempt.id).is_some_and(|due| due <= Instant::now()) => {
                            self.ping_behind(attempt, false);
                            self.silence.asked();
                        }
                        (true, _) => {}
                    }
                }
                Next::Lost(error) => return Err(self.lost(error).into()),
                Next::Event(Event::Reply { id, payload }) if id == attempt.id => {
                    attempt.refused = payload == REFUSED;
                    attempt.answer = (!attempt.refused).then_some(payload);
                }
                Next::Event(Event::Done { id }) => {
                    if attempt.pings.contains(&id) || attempt.pings.is_empty() && id == attempt.id {
                        return Ok(false);
                    }
                }
                Next::Event(Event::Ended { id, error }) if id == attempt.id => attempt.ended = Some(error),
                // The kept reply says whether it is right.
                Next::Event(Event::Doubtful { id, .. }) if id == attempt.id => attempt.ended = Some(Vec::new()),
                // Everything before a question has ended, and the board may have been reset since: the next greeting tells.
                Next::Event(Event::Echo { id }) if id != attempt.id => {
                    if attempt.answer.is_some() {
                        self.epoch = None;
                    }
                    return Ok(false);
                }
                Next::Event(Event::NotRun { id }) if id == attempt.id => {
                    attempt.spared = true;
                    attempt.ended = Some(Vec::new());
                }
                Next::Event(Event::Suspect { .. } | Event::Echo { .. }) => {
                    attempt.suspected = true;
                    if attempt.pings.is_empty() {
                        self.ping_behind(attempt, false);
                    }
                }
                Next::Event(Event::RawPaste { window: None, .. }) => return Ok(false),
                Next::Event(_) => {}
            }
        }
    }

    /// Asks behind a request that may have ended, or may not have been read to its end.
    fn ping_behind(&mut self, attempt: &mut Attempt, unread: bool) {
        let id = self.next_id();
        let (code, expect) = agent::ping(nonce());
        attempt.heard_before = self.shared.counts.read().bytes_in;
        let Some(wire) = &mut self.wire else { return };
        if !unread && !wire.repl.takes_plain(code.len() + 1) {
            return;
        }
        wire.repl.submit(Request { id, code, lane: Lane::Plain, expect });
        attempt.pings.push(id);
    }

    /// A resync for the sake of a request; one that is late does not make it shorter.
    async fn resync_for(&mut self, until: Instant) -> Result<Status, Fault> {
        Ok(self.resync(until.max(Instant::now() + self.limits.recover)).await?)
    }

    /// Whether a request that did not answer has run, as the agent counts.
    async fn fate(&mut self, attempt: Attempt, what: &str, until: Instant) -> Result<Fate, Fault> {
        let status = match self.resync_for(until).await {
            // It was sent: that the board cannot be reached now says nothing of it.
            Err(Fault::Error(Error::Open { .. })) => {
                return Err(self.unknown(what, "the board has not answered since it was sent").into());
            }
            status => status?,
        };
        let reset = if attempt.spared { Fault::Gone } else { Fault::Reset };
        match status {
            Status::Present(present) => {
                let same = self.epoch.as_ref().is_some_and(|epoch| epoch.token() == present.epoch);
                let ran = present.calls >= attempt.n && !attempt.refused;
                self.adopt(*present);
                if !same {
                    return Err(reset);
                }
                // The text was too much for the heap, or it ran and left no room for its reply to be kept.
                if let Some(exception) = attempt.ended.as_deref().and_then(Exception::from_traceback)
                    && exception.kind() == "MemoryError"
                {
                    return Err(Fault::Error(Error::Exception {
                        task: what.to_owned(),
                        exception: Box::new(exception),
                    }));
                }
                if let (true, Some(epoch)) = (ran, &mut self.epoch) {
                    epoch.calls = attempt.n - 1;
                    return Ok(Fate::Ran);
                }
                Ok(Fate::DidNotRun)
            }
            Status::Absent => match attempt.ended {
                Some(error) if super::settle::is_name_error(&error) => Err(Fault::Gone),
                _ => Err(reset),
            },
        }
    }

    /// Stops what is running because it is late or nobody waits for it.
    async fn stop(&mut self, id: u64, what: &str, until: Instant) -> Fault {
        if self.is_flying(id) {
            self.interrupt().await;
            return Fault::Stopped;
        }
        let port = self.shared.port.clone();
        let limit = self.limits.deploy;
        let board = match self.resync(until + self.limits.recover).await {
            Ok(Status::Present(present)) => {
                self.adopt(*present);
                AfterTimeout::Stopped
            }
            Ok(Status::Absent) => AfterTimeout::Stopped,
            Err(_) => AfterTimeout::Interrupting,
        };
        if self.asked.interrupts() {
            return Fault::Error(Error::Cancelled { task: what.to_owned(), port });
        }
        Fault::Error(Error::TimedOut { what: what.to_owned(), port, limit, board })
    }

    /// A source as it travels best on this line.
    pub(super) fn packed(&self, body: Body) -> Body {
        let pays = self.learned.rate.is_none_or(|rate| rate < INFLATING);
        match &self.epoch {
            Some(epoch) if pays => body.packed(&epoch.capabilities),
            _ => body,
        }
    }

    fn never_whole(&self, what: &str, tried: &[String]) -> Fault {
        let reason = format!("{what} was damaged on the way each time (tried {}): check the cable", tried.join(", "));
        Error::Protocol { port: self.shared.port.clone(), reason }.into()
    }

    pub(super) fn unknown(&self, what: &str, reason: &str) -> Error {
        Error::OutcomeUnknown { task: what.to_owned(), port: self.shared.port.clone(), reason: reason.to_owned() }
    }
}
