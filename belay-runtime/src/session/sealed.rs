//! Requests that must not run damaged, twice or unnoticed: one at a time, counted by the agent, repeated only with
//! proof.
//!
//! The agent counts the calls that it lets through and keeps the last reply. When anything looks wrong, a greeting
//! tells whether the request ran: if it did, its reply is written again; if not, the request is sent again.

use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, Step};
use super::epoch::nonce;
use crate::{
    agent::{self, Body, Capabilities, Status},
    error::{AfterTimeout, Error},
    exception::Exception,
    repl::{Event, Lane, REFUSED, Request},
};

/// How long a board that is not busy takes at most to say something, besides the time of the bytes.
const PATIENCE: Duration = Duration::from_millis(150);
/// The slowest line that is reckoned with: 9,600 baud.
const SLOWEST_BYTE: Duration = Duration::from_micros(1100);
const MOST_ATTEMPTS: u32 = 50;

/// Why a request has no answer.
pub(super) enum Fault {
    /// The agent is not there (any more), and the request did not run: attach and begin again.
    Gone,
    /// Nobody waits for it any more: the board has been stopped.
    Stopped,
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
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
    ping: Option<u64>,
}

impl Actor {
    /// One request with the line to itself, in as many pieces as the board needs.
    pub(super) async fn request(&mut self, id: u64, body: Body, what: &str, until: Instant) -> Result<Vec<u8>, Fault> {
        let whole = body.whole();
        let raw = match &self.epoch {
            Some(epoch)
                if epoch.verifies() && epoch.capabilities.raw_paste.is_none() && whole.len() > self.learned.piece =>
            {
                epoch.capabilities.raw_literals
            }
            _ => return self.whole(id, &whole, what, until).await,
        };
        let (long, last) = body.in_pieces();
        let mut rest = long.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.learned.piece.min(rest.len()));
            let request = agent::piece(piece, rest.len() == long.len(), raw);
            let id = self.next_id();
            let answer = self.whole(id, &request, what, until).await?;
            if Exception::from_reply(&answer).is_some() {
                // The heap may be full.
                return Ok(answer);
            }
            rest = after;
        }
        self.whole(id, &last, what, until).await
    }

    async fn whole(&mut self, id: u64, body: &[u8], what: &str, until: Instant) -> Result<Vec<u8>, Fault> {
        let (mut again, mut refused) = (false, false);
        for _ in 0..MOST_ATTEMPTS {
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
            let mut attempt = Attempt { id, n, answer: None, refused: false, ended: None, ping: None };
            self.send(&mut attempt, code)?;
            if self.watch(&mut attempt, until).await? {
                // The time is up, or nobody waits any more.
                return Err(self.stop(id, what, until).await);
            }
            if let Some(answer) = attempt.answer {
                self.learned.line_was_good();
                if let Some(epoch) = &mut self.epoch {
                    epoch.calls = n;
                }
                return Ok(answer);
            }
            self.learned.line_was_bad();
            // A damaged request is refused once; one that is refused again meets an agent that waits for a greeting.
            if attempt.refused && !std::mem::replace(&mut refused, true) {
                again = false;
                continue;
            }
            refused = false;
            again = match self.fate(attempt, what, until).await? {
                Fate::Ran => true,
                Fate::DidNotRun => false,
            };
        }
        Err(self.protocol(format!("{what}: {MOST_ATTEMPTS} attempts were damaged on the way")).into())
    }

    fn send(&mut self, attempt: &mut Attempt, code: Vec<u8>) -> Result<(), Fault> {
        let (Some(wire), Some(epoch)) = (&mut self.wire, &self.epoch) else { return Err(Fault::Gone) };
        let lane = epoch.lane(&wire.repl, code.len()).unwrap_or(Lane::Plain);
        let expect = epoch.answer(attempt.n);
        wire.repl.submit(Request { id: attempt.id, code, lane, expect });
        Ok(())
    }

    /// Follows a request until it has ended, its fate is known, or it is late: then `true`.
    async fn watch(&mut self, attempt: &mut Attempt, until: Instant) -> Result<bool, Fault> {
        let verifies = self.epoch.as_ref().is_some_and(super::epoch::Epoch::verifies);
        let mut patience = PATIENCE + SLOWEST_BYTE * 64;
        if let Some(wire) = &mut self.wire {
            patience += SLOWEST_BYTE * u32::try_from(wire.repl.outgoing().len()).unwrap_or(u32::MAX);
        }
        // `OK` is all that a task says which runs and is silent.
        let silent = self.shared.counts.read().bytes_in + 2;
        let mut heard = silent;
        loop {
            let wake = if verifies { until.min(Instant::now() + patience) } else { until };
            match self.next(Some(wake)).await {
                Step::Changed if self.is_abandoned(attempt.id) => return Ok(true),
                Step::Changed => {}
                Step::TimeUp if Instant::now() >= until => return Ok(true),
                Step::TimeUp if attempt.answer.is_some() || attempt.refused => return Ok(false),
                Step::TimeUp => {
                    let running = self.wire.as_ref().is_some_and(|wire| wire.repl.is_running(attempt.id));
                    let before = std::mem::replace(&mut heard, self.shared.counts.read().bytes_in);
                    match (running, attempt.ping) {
                        // It was not read to its end, and neither was the greeting.
                        (false, Some(_)) => return Ok(false),
                        (false, None) => self.ping_behind(attempt, true),
                        // It talked and stopped: perhaps that was its reply, and damaged.
                        (true, None) if heard == before && heard > silent => self.ping_behind(attempt, false),
                        (true, _) => {}
                    }
                }
                Step::Lost(error) => return Err(self.lost(error).into()),
                Step::Event(Event::Reply { id, payload }) if id == attempt.id => {
                    attempt.refused = payload == REFUSED;
                    attempt.answer = (!attempt.refused).then_some(payload);
                }
                Step::Event(Event::Done { id }) => {
                    let last = attempt.ping.unwrap_or(attempt.id);
                    if id == last {
                        return Ok(false);
                    }
                }
                Step::Event(Event::Ended { id, error }) if id == attempt.id => attempt.ended = Some(error),
                Step::Event(Event::Suspect { .. }) if attempt.ping.is_none() => self.ping_behind(attempt, false),
                Step::Event(Event::Echo { .. }) => {
                    self.epoch = None;
                    return Err(Fault::Gone);
                }
                Step::Event(Event::RawPaste { window: None, .. }) => return Ok(false),
                Step::Event(_) => {}
            }
        }
    }

    /// Asks behind a request that may have ended, or may not have been read to its end.
    fn ping_behind(&mut self, attempt: &mut Attempt, unread: bool) {
        let id = self.next_id();
        let (code, expect) = agent::ping(nonce());
        let Some(wire) = &mut self.wire else { return };
        if unread {
            // A request whose end was lost waits in the board's line: as a line of its own it cannot eat the question.
            wire.repl.control(b"\n");
        } else if !wire.repl.takes_plain(code.len() + 1) {
            return;
        }
        wire.repl.submit(Request { id, code, lane: Lane::Plain, expect });
        attempt.ping = Some(id);
    }

    /// Whether a request that did not answer has run, as the agent counts.
    async fn fate(&mut self, attempt: Attempt, what: &str, until: Instant) -> Result<Fate, Fault> {
        match self.resync(until.max(Instant::now() + self.limits.recover)).await? {
            Status::Present(present) => {
                let same = self.epoch.as_ref().is_some_and(|epoch| epoch.token() == present.epoch);
                let ran = present.calls >= attempt.n;
                self.adopt(*present);
                if !same {
                    return Err(self.unknown(what, "the board was reset").into());
                }
                if let (true, Some(epoch)) = (ran, &mut self.epoch) {
                    epoch.calls = attempt.n - 1;
                    return Ok(Fate::Ran);
                }
                // The agent could not be called at all: the text was too much for the heap, or damaged.
                match attempt.ended.as_deref().and_then(Exception::from_traceback) {
                    Some(exception) if exception.kind() == "MemoryError" => {
                        Err(Fault::Error(Error::Exception { task: what.to_owned(), exception: Box::new(exception) }))
                    }
                    _ => Ok(Fate::DidNotRun),
                }
            }
            Status::Absent => {
                self.epoch = None;
                match attempt.ended {
                    Some(error) if super::settle::is_name_error(&error) => Err(Fault::Gone),
                    _ => Err(self.unknown(what, "the board was reset").into()),
                }
            }
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
            Ok(Status::Absent) => {
                self.epoch = None;
                AfterTimeout::Stopped
            }
            Err(_) => {
                self.epoch = None;
                AfterTimeout::Interrupting
            }
        };
        Fault::Error(Error::TimedOut { what: what.to_owned(), port, limit, board })
    }

    fn protocol(&self, reason: String) -> Error {
        Error::Protocol { port: self.shared.port.clone(), reason }
    }

    fn unknown(&self, what: &str, reason: &str) -> Error {
        Error::OutcomeUnknown { task: what.to_owned(), port: self.shared.port.clone(), reason: reason.to_owned() }
    }
}
