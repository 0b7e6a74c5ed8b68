//! Getting hold of a board: into the raw REPL, with proof, then finding or installing the agent.

use std::{sync::PoisonError, time::Duration};

use tokio::time::Instant;

use super::{
    actor::{Actor, Step},
    epoch::{Epoch, nonce},
    wire::Pace,
};
use crate::{
    agent::{self, Capabilities, Present, Status},
    board::{Learned, Profile},
    error::{Error, Result},
    exception::Exception,
    repl::{Event, Expect, Lane, Request},
    transport::Trust,
};

/// What any board's input buffer holds, until raw-paste's window says more.
pub(super) const SMALLEST_BUFFER: usize = 64;
/// What the slowest board seen, an nRF51 with MicroPython 1.9.2, takes without loss while it does nothing else.
pub(super) const SLOW: Pace = Pace { bytes: 16, every: Duration::from_millis(2) };

/// How long the first attempt to enter the raw REPL waits for its banner; each further one waits longer.
pub(super) const FIRST_PATIENCE: Duration = Duration::from_millis(250);
/// How long a board behind a line that may lose bytes takes at most to say that it was reset: no family needs
/// longer to boot.
const RESET_PATIENCE: Duration = Duration::from_secs(3);
/// How many times the patience for a resync a backlog may take.
const LONGEST_BACKLOG: u32 = 4;
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// After what time a Ctrl-A that came with Ctrl-C is taken for lost.
const SETTLE: Duration = Duration::from_millis(30);
/// Transfers of so many bytes tell something of a line's rate.
const LONG_ENOUGH_TO_TIME: usize = 1024;
/// How many greetings in a row find no room before the heap is taken for full: what has just been interrupted may have
/// filled it.
const FULL_HEAP_ATTEMPTS: u32 = 3;

impl Actor {
    /// Makes sure that the board listens and holds an agent that takes calls.
    pub(super) async fn ensure_attached(&mut self, deadline: Instant) -> Result<()> {
        let status = self.resync(deadline).await?;
        self.settle_in(status, deadline).await
    }

    /// Sees to it that the agent takes calls: the one that answered, if it suits the line, else a new one.
    pub(super) async fn settle_in(&mut self, status: Status, deadline: Instant) -> Result<()> {
        if let Status::Present(present) = &status {
            self.trust_own_usb(&present.capabilities);
        }
        match status {
            Status::Present(present) if self.suits(&present) => {
                self.adopt(*present);
                Ok(())
            }
            _ => {
                self.epoch = None;
                self.install(deadline).await
            }
        }
    }

    /// Whether this agent may be used on this line.
    pub(super) fn suits(&self, present: &Present) -> bool {
        present.agent.verifies || self.trust == Trust::Trusted
    }

    /// A line that the board has proved to be its own USB is trusted.
    pub(super) fn trust_own_usb(&mut self, board: &Capabilities) {
        if self.usb.as_deref().is_some_and(|number| Profile::of(board).is_own_usb(board, number)) {
            self.trust = Trust::Trusted;
        }
    }

    /// Whether requests and replies carry no checks.
    pub(super) fn is_unchecked(&self) -> bool {
        self.epoch.as_ref().is_some_and(|epoch| !epoch.verifies() && !epoch.guarded)
    }

    /// The line has shown that it loses or changes bytes: it is verified from now on, whatever anybody said of it.
    pub(super) fn distrust(&mut self) {
        tracing::warn!(port = self.shared.port, "the line loses or changes bytes: from now on it is verified");
        self.trust = Trust::Verified;
        self.usb = None;
        self.epoch = None;
    }

    /// Takes over what the agent said.
    pub(super) fn adopt(&mut self, present: Present) {
        let epoch = Epoch::new(present);
        self.learn_of(&epoch.capabilities);
        let credit = input_credit(&epoch.capabilities);
        self.note_epoch(epoch.token());
        if let Some(wire) = &mut self.wire {
            wire.repl.set_buffer(credit);
            wire.set_pace(match epoch.capabilities.raw_paste {
                Some(_) => None,
                None => Some(SLOW),
            });
        }
        self.epoch = Some(epoch);
        self.publish();
    }

    /// Takes up what was learned of this board, and forgets what was learned of another one.
    fn learn_of(&mut self, board: &Capabilities) {
        let identity = Learned::identity(board);
        if let Some(preloaded) = self.preloaded.take_if(|preloaded| preloaded.board == identity) {
            let turn_time = self.learned.turn_time;
            self.learned = preloaded;
            self.learned.turn_time = turn_time.or(self.learned.turn_time);
        } else if !self.learned.board.is_empty() && self.learned.board != identity {
            self.learned = Learned::nothing();
        }
        self.learned.board = identity;
    }

    /// Whether Ctrl-C stopped what ran, the last time that it was tried.
    pub(super) fn learn_ctrl_c(&mut self, obeys: bool) {
        self.learned.obeys_ctrl_c = Some(obeys);
        if let Some(board) = &mut *self.shared.capabilities.lock().unwrap_or_else(PoisonError::into_inner) {
            board.obeys_ctrl_c = Some(obeys);
        }
        self.publish();
    }

    /// Lets everybody see what is known of the board and its line now.
    pub(super) fn publish(&self) {
        let Some(epoch) = &self.epoch else { return };
        let mut board = epoch.capabilities.clone();
        board.input_credit = input_credit(&board);
        board.trust = if epoch.verifies() { Trust::Verified } else { Trust::Trusted };
        board.turn_time = self.learned.turn_time;
        board.obeys_ctrl_c = self.learned.obeys_ctrl_c;
        *self.shared.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Some(board);
        *self.shared.learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.learned.clone());
    }

    /// A resync that goes on while the board is still heard: on a slow line, what it printed before it was stopped may
    /// be on its way for long.
    pub(super) async fn resync_with_backlog(&mut self, patience: Duration) -> Result<Status> {
        let until = Instant::now() + patience * LONGEST_BACKLOG;
        loop {
            let before = self.shared.counts.read().bytes_in;
            match self.resync((Instant::now() + patience).min(until)).await {
                Err(Error::Open { .. }) if Instant::now() < until && self.shared.counts.read().bytes_in > before => {}
                outcome => return outcome,
            }
        }
    }

    /// Enters the raw REPL whatever the board is doing, and greets the agent: the answer proves that the board listens
    /// now and that nothing older is still on its way. Without an agent that answers, nothing is known of the epoch any
    /// more: the count of before would give the next request the number, and with it the reply, of one that ran unheard.
    pub(super) async fn resync(&mut self, deadline: Instant) -> Result<Status> {
        let outcome = self.enter_and_greet(deadline).await;
        if !matches!(outcome, Ok(Status::Present(_))) {
            self.epoch = None;
        }
        outcome
    }

    async fn enter_and_greet(&mut self, deadline: Instant) -> Result<Status> {
        self.ping_is_over();
        let mut patience = FIRST_PATIENCE;
        let (mut attempt, mut no_room) = (0, 0);
        loop {
            let until = (Instant::now() + patience).min(deadline);
            let heard = self.shared.counts.read().bytes_in;
            if self.enter_raw(attempt, until).await? {
                match self.greet_surely(until.max(Instant::now() + FIRST_PATIENCE).min(deadline)).await {
                    Ok(Some(status)) => return Ok(status),
                    Ok(None) => no_room = 0,
                    Err(Error::Exception { .. }) if no_room + 1 < FULL_HEAP_ATTEMPTS => no_room += 1,
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= deadline {
                return Err(self.silent(attempt + 1));
            }
            attempt += 1;
            // One that is heard is there, and what was said was damaged rather than late.
            let silent = self.shared.counts.read().bytes_in == heard;
            patience = (if silent { patience * 2 } else { patience * 5 / 4 }).min(LONGEST_PATIENCE);
            // A greeting may have been too fast for the board.
            if let Some(wire) = &mut self.wire {
                wire.set_pace(Some(SLOW));
            }
        }
    }

    pub(super) fn silent(&self, attempts: u32) -> Error {
        Error::Open {
            port: self.shared.port.clone(),
            reason: format!(
                "no raw REPL answered ({attempts} attempts with Ctrl-C and Ctrl-A). Is it the right port, is MicroPython \
                 on the board, and is no other program using it? A program on the board that ignores Ctrl-C needs a reset"
            ),
            source: None,
        }
    }

    /// Interrupts the board and asks for the raw REPL; whether its banner came in time.
    pub(super) async fn enter_raw(&mut self, attempt: u32, until: Instant) -> Result<bool> {
        let Some(wire) = &mut self.wire else { return Err(self.lost_for_good("the line has ended")) };
        wire.repl.sync();
        if attempt == 0 {
            // Once: a second one would meet the agent while it says what the first one has interrupted, and it ends
            // MicroPython's unix port if that has not got round to the first.
            wire.repl.control(b"\x03\x01");
            let settle = (Instant::now() + SETTLE).min(until);
            loop {
                match self.step(settle).await? {
                    Some(Event::Banner) => return Ok(true),
                    Some(event) => self.late_event(event),
                    None => break,
                }
            }
            // Boards whose USB stack empties the input when it sees Ctrl-C lose what comes right behind it.
            if let Some(wire) = &mut self.wire {
                wire.repl.control(b"\x01");
            }
        } else {
            wire.repl.control(b"\r\x03\x03");
            let settle = Instant::now() + until.saturating_duration_since(Instant::now()) / 4;
            while let Some(event) = self.step(settle).await? {
                self.late_event(event);
            }
            if let Some(wire) = &mut self.wire {
                // An earlier request may have been answered meanwhile: wait for the answer to this one.
                wire.repl.sync();
                wire.repl.control(b"\r\x01");
            }
        }
        loop {
            match self.step(until).await? {
                Some(Event::Banner) => return Ok(true),
                Some(event) => self.late_event(event),
                None => return Ok(false),
            }
        }
    }

    /// As `greet`; but a line may make another name of the agent's, and what is then not found is no reset.
    async fn greet_surely(&mut self, until: Instant) -> Result<Option<Status>> {
        match self.greet(until).await? {
            Some(Status::Absent) if self.trust == Trust::Verified => self.greet(until).await,
            status => Ok(status),
        }
    }

    /// Greets the agent; `None` if no whole answer came in time.
    pub(super) async fn greet(&mut self, until: Instant) -> Result<Option<Status>> {
        let nonce = nonce();
        let (code, expect) = agent::hello(nonce);
        let begun = Instant::now();
        let text = self.exchange(code, Lane::Plain, expect, until, LONGEST_PATIENCE).await?;
        let status = text.and_then(|text| Status::parse(&text, nonce));
        if status.is_some() {
            self.learned.timed_turn(begun.elapsed());
        }
        Ok(status)
    }

    /// Enters the raw REPL anew, however often that has to be tried.
    pub(super) async fn clean_prompt(&mut self, deadline: Instant) -> Result<()> {
        let mut attempt = 1;
        while !self.enter_raw(attempt, (Instant::now() + FIRST_PATIENCE).min(deadline)).await? {
            if Instant::now() >= deadline {
                return Err(self.silent(attempt));
            }
            attempt += 1;
        }
        Ok(())
    }

    /// One event, or `None` when the time is up.
    pub(super) async fn step(&mut self, until: Instant) -> Result<Option<Event>> {
        loop {
            match self.next(Some(until)).await {
                Step::Event(event) => return Ok(Some(event)),
                Step::Changed => {}
                Step::TimeUp => return Ok(None),
                Step::Lost(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Sends code of ours and waits for its answer and for the prompt; `None` if they did not come.
    pub(super) async fn exchange(
        &mut self,
        code: Vec<u8>,
        lane: Lane,
        expect: Expect,
        until: Instant,
        quiet: Duration,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self.converse(code, lane, expect, until, quiet).await?.text)
    }

    /// Sends code of ours and waits until it has been answered and the prompt is back, until the board has been `quiet`
    /// for so long, or until the time is up.
    pub(super) async fn converse(
        &mut self,
        code: Vec<u8>,
        lane: Lane,
        expect: Expect,
        until: Instant,
        quiet: Duration,
    ) -> Result<Answer> {
        let id = self.next_id();
        let mut answer = Answer::default();
        let Some(wire) = &mut self.wire else { return Ok(answer) };
        let quiet = quiet + wire.time_to_write(code.len());
        let (begun, len) = (Instant::now(), code.len());
        wire.repl.submit(Request { id, code, lane, expect });
        loop {
            let heard = self.shared.counts.read().bytes_in;
            match self.step(until.min(Instant::now() + quiet)).await? {
                Some(Event::Reply { id: of, payload }) if of == id => answer.text = Some(payload),
                Some(Event::Done { id: of }) if of == id => {
                    if len >= LONG_ENOUGH_TO_TIME && lane != Lane::Plain {
                        self.learned.timed_transfer(len, begun.elapsed());
                    }
                    return Ok(answer);
                }
                Some(Event::Ended { id: of, error }) if of == id => {
                    return match Exception::from_traceback(&error) {
                        Some(exception) if exception.kind() == "MemoryError" => {
                            let task = "making the board listen (a soft reset empties its heap)".to_owned();
                            Err(Error::Exception { task, exception: Box::new(exception) })
                        }
                        exception => {
                            answer.damaged = exception.is_none_or(|exception| comes_of_damage(&exception));
                            Ok(answer)
                        }
                    };
                }
                Some(Event::Echo { id: of }) if of == id => return Ok(answer),
                Some(Event::RawPaste { id: of, window }) if of == id => {
                    answer.raw_paste = Some(window.and_then(|window| u16::try_from(window).ok()));
                    if window.is_none() {
                        return Ok(answer);
                    }
                }
                Some(_) => {}
                None if Instant::now() < until && self.shared.counts.read().bytes_in != heard => {}
                None => return Ok(answer),
            }
        }
    }

    /// Proof that the board takes what comes next in the raw REPL.
    pub(super) async fn listen(&mut self, deadline: Instant) -> Result<()> {
        match self.resync(deadline).await {
            // No room for a greeting is proof enough.
            Ok(_) | Err(Error::Exception { .. }) => self.epoch = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Resets the interpreter and attaches to the new epoch.
    pub(super) async fn soft_reset(&mut self, deadline: Instant) -> Result<()> {
        loop {
            self.listen(deadline).await?;
            // A line that loses bytes may have lost the Ctrl-D, or what the board said of it.
            let until = match self.trust {
                Trust::Verified => deadline.min(Instant::now() + RESET_PATIENCE),
                Trust::Trusted => deadline,
            };
            self.banter.expect();
            let restarted = self.restart_interpreter(until).await;
            let held_back = self.banter.end();
            self.print(held_back);
            if restarted? {
                return self.ensure_attached(deadline).await;
            }
            if Instant::now() >= deadline {
                return Err(self.silent(1));
            }
        }
    }

    /// Whether the interpreter said in time that it was started anew.
    async fn restart_interpreter(&mut self, until: Instant) -> Result<bool> {
        if let Some(wire) = &mut self.wire {
            wire.repl.sync();
            wire.repl.control(b"\x04");
        }
        // Boards come back in the raw REPL; an interpreter that is started anew greets people first.
        loop {
            match self.step(until).await? {
                Some(Event::Banner | Event::Announced) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }
}

/// How many bytes may lie unread in a board's input.
fn input_credit(board: &Capabilities) -> usize {
    board.raw_paste.map_or(SMALLEST_BUFFER, |window| usize::from(window) * 2)
}

/// What came of code of ours.
#[derive(Default)]
pub(super) struct Answer {
    /// What was printed between the marks.
    pub(super) text: Option<Vec<u8>>,
    /// What the board said to the request for raw-paste, if it was asked: its window, or that it has none.
    pub(super) raw_paste: Option<Option<u16>>,
    /// It ended as code ends that was changed on the way.
    pub(super) damaged: bool,
}

/// Whether intact code of ours does not raise this on any board.
pub(super) fn comes_of_damage(exception: &Exception) -> bool {
    ["SyntaxError", "IndentationError", "NameError", "TypeError", "AttributeError"].contains(&exception.kind())
}
