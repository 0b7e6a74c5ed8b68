//! Getting hold of a board: into the raw REPL, with proof, then finding or installing the agent.

use std::{sync::PoisonError, time::Duration};

use tokio::time::Instant;

use super::{
    actor::{Actor, Step},
    epoch::{Epoch, nonce},
    wire::Pace,
};
use crate::{
    agent::{self, Agent, Capabilities, Present, Status},
    error::{Error, Result},
    exception::Exception,
    repl::{Event, Expect, Lane, Request},
    transport::Trust,
};

/// What any board's input buffer holds, until raw-paste's window says more.
pub(super) const SMALLEST_BUFFER: usize = 64;
/// What the slowest board seen, an nRF51 with MicroPython 1.9.2, takes without loss while it does nothing else.
pub(super) const SLOW: Pace = Pace { bytes: 16, every: Duration::from_millis(2) };

/// How long the first attempt to enter the raw REPL waits for its banner; each further one waits twice as long.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// Pieces of a source on boards without raw-paste, before anything is known of them.
const LOADER_PIECE: usize = 48;
const LOADER_ATTEMPTS: usize = 40;
const FULL_HEAP_ATTEMPTS: u32 = 2;

impl Actor {
    /// Makes sure that the board listens and holds an agent that takes calls.
    pub(super) async fn ensure_attached(&mut self, deadline: Instant) -> Result<()> {
        if self.wire.is_none() {
            let Some(opener) = &self.opener else {
                return Err(Error::Lost {
                    port: self.shared.port.clone(),
                    reason: "only the program that made it can open it again".into(),
                    source: None,
                });
            };
            let line = opener().await?;
            self.take_line(line);
        }
        match self.resync(deadline).await? {
            Status::Present(present) if present.agent.verifies || self.trust == Trust::Trusted => self.adopt(*present),
            _ => {
                self.epoch = None;
                self.install(deadline).await?;
            }
        }
        Ok(())
    }

    /// Takes over what the agent said.
    pub(super) fn adopt(&mut self, present: Present) {
        let known = self.epoch.take();
        let epoch = Epoch::new(present, known);
        if let Some(wire) = &mut self.wire {
            match epoch.capabilities.raw_paste {
                Some(window) => {
                    wire.repl.set_buffer(usize::from(window) * 2);
                    wire.set_pace(None);
                }
                None => {
                    wire.repl.set_buffer(SMALLEST_BUFFER);
                    wire.set_pace(Some(SLOW));
                }
            }
        }
        *self.shared.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch.capabilities.clone());
        self.epoch = Some(epoch);
    }

    /// Enters the raw REPL whatever the board is doing, and greets the agent: the answer proves that the board listens
    /// now and that nothing older is still on its way.
    pub(super) async fn resync(&mut self, deadline: Instant) -> Result<Status> {
        self.ping_is_over();
        let mut patience = FIRST_PATIENCE;
        let mut attempt = 0;
        loop {
            let until = (Instant::now() + patience).min(deadline);
            if self.enter_raw(attempt, until).await? {
                match self.greet(until.max(Instant::now() + FIRST_PATIENCE).min(deadline)).await {
                    Ok(Some(status)) => return Ok(status),
                    // A heap that is full may have been filled by what has just been interrupted.
                    Ok(None) | Err(Error::Exception { .. }) if attempt < FULL_HEAP_ATTEMPTS => {}
                    Ok(None) => {}
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= deadline {
                return Err(self.silent(attempt + 1));
            }
            attempt += 1;
            patience = (patience * 2).min(LONGEST_PATIENCE);
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
        let Some(wire) = &mut self.wire else { return Ok(false) };
        wire.repl.sync();
        if attempt == 0 {
            wire.repl.control(b"\x03\x03\x01");
        } else {
            // Boards whose USB stack empties the input when it sees Ctrl-C lose what comes right behind it.
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

    /// Greets the agent; `None` if no whole answer came in time.
    async fn greet(&mut self, until: Instant) -> Result<Option<Status>> {
        let nonce = nonce();
        let (code, expect) = agent::hello(nonce);
        let text = self.exchange(code, Lane::Plain, expect, until).await?;
        Ok(text.and_then(|text| Status::parse(&text, nonce)))
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
    ) -> Result<Option<Vec<u8>>> {
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Ok(None) };
        wire.repl.submit(Request { id, code, lane, expect });
        let mut answer = None;
        loop {
            match self.step(until).await? {
                Some(Event::Reply { id: of, payload }) if of == id => answer = Some(payload),
                Some(Event::Done { id: of }) if of == id => return Ok(answer),
                Some(Event::Ended { id: of, error }) if of == id => {
                    return match Exception::from_traceback(&error) {
                        Some(exception) if exception.kind() == "MemoryError" => {
                            let task = "what belay asked of it".to_owned();
                            Err(Error::Exception { task, exception: Box::new(exception) })
                        }
                        _ => Ok(None),
                    };
                }
                Some(Event::Echo { id: of }) if of == id => return Ok(None),
                Some(Event::RawPaste { id: of, window: None }) if of == id => return Ok(None),
                Some(_) => {}
                None => return Ok(answer),
            }
        }
    }

    /// Asks the board what it can do and installs the agent that suits it.
    async fn install(&mut self, deadline: Instant) -> Result<()> {
        let protocol = |reason: &str| Error::Protocol { port: self.shared.port.clone(), reason: reason.into() };
        let unanswered = protocol("it did not answer what it can do");
        let full = protocol("the agent could not be installed: is the board's heap full?");
        let window = self.find_raw_paste(deadline).await?;
        if let Some(wire) = &mut self.wire {
            match window {
                Some(window) => wire.repl.set_buffer(usize::from(window) * 2),
                None => wire.set_pace(Some(SLOW)),
            }
        }
        let free_heap = if window.is_none() { self.free_heap(deadline).await? } else { None };
        let paste = window.map(|window| Lane::RawPaste { window: Some(window.into()) });
        let number = nonce();
        let (code, expect) = agent::probe(number);
        let text = match paste {
            Some(lane) => {
                let code = [agent::MAKE_NAMESPACE, &agent::in_namespace(&code)].concat();
                self.exchange(code.into_bytes(), lane, expect, deadline).await?
            }
            None => match Loading::begin(self, deadline).await? {
                Some(mut loading) => loading.run(self, &code, agent::RUN_ONCE, expect).await?,
                None => None,
            },
        };
        let mut capabilities = Capabilities::parse(&text.ok_or(unanswered)?, number, window)
            .map_err(|reason| Error::Protocol { port: self.shared.port.clone(), reason })?;
        capabilities.free_heap = capabilities.free_heap.max(free_heap.unwrap_or(0));
        let verified = self.trust == Trust::Verified || window.is_none();
        let token = nonce();
        let parts = Agent::choose(&capabilities, verified).parts(&capabilities, token);
        let greeting = nonce();
        let (hello, expect) = agent::hello(greeting);
        let answer = match paste {
            Some(lane) => self.paste_parts(&parts, lane, &hello, expect, deadline).await?,
            None => self.load_parts(&parts, &hello, expect, deadline).await?,
        };
        match answer.and_then(|text| Status::parse(&text, greeting)) {
            Some(Status::Present(present)) if present.epoch == token => {
                self.adopt(*present);
                Ok(())
            }
            _ => Err(full),
        }
    }

    /// Installs an agent with raw-paste: the last part and the greeting in one turn.
    async fn paste_parts(
        &mut self,
        parts: &[String],
        lane: Lane,
        hello: &[u8],
        expect: Expect,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>> {
        let mut code = agent::MAKE_NAMESPACE.to_owned();
        for (at, part) in parts.iter().enumerate() {
            code.push_str(&agent::in_namespace(part));
            if at + 1 < parts.len() {
                let done = nonce();
                code.push_str(&agent::done(done));
                let code = std::mem::take(&mut code).into_bytes();
                if self.exchange(code, lane, agent::between(done), deadline).await?.is_none() {
                    return Ok(None);
                }
            }
        }
        code.push_str(agent::START);
        self.exchange([code.as_bytes(), hello].concat(), lane, expect, deadline).await
    }

    /// Installs an agent without raw-paste.
    async fn load_parts(
        &mut self,
        parts: &[String],
        hello: &[u8],
        expect: Expect,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>> {
        // A fresh loader: what the probe left of the first one is gone.
        let Some(mut loading) = Loading::begin(self, deadline).await? else { return Ok(None) };
        for part in parts {
            let done = nonce();
            let part = [part, agent::done(done).as_str()].concat();
            if loading.run(self, &part, agent::RUN_PART, agent::between(done)).await?.is_none() {
                return Ok(None);
            }
        }
        let started = [agent::START_LOADED.as_bytes(), hello].concat();
        self.exchange(started, Lane::Plain, expect, deadline).await
    }

    /// The free heap of a board on which the probe itself takes a good part of it.
    async fn free_heap(&mut self, deadline: Instant) -> Result<Option<u32>> {
        let number = nonce();
        let text = self.exchange(agent::free_heap(number), Lane::Plain, agent::between(number), deadline).await?;
        Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()))
    }

    /// Asks for raw-paste with the smallest program there is.
    async fn find_raw_paste(&mut self, deadline: Instant) -> Result<Option<u16>> {
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Ok(None) };
        let number = nonce();
        let expect = Expect::Text { open: (number + 1).to_string().into_bytes(), close: b"\n".to_vec() };
        let code = format!("print({number}+1)").into_bytes();
        wire.repl.submit(Request { id, code, lane: Lane::RawPaste { window: None }, expect });
        let mut window = None;
        loop {
            match self.step(deadline).await? {
                Some(Event::RawPaste { window: None, .. }) => return Ok(None),
                Some(Event::RawPaste { window: Some(w), .. }) => window = u16::try_from(w).ok(),
                Some(Event::Done { id: of }) if of == id => return Ok(window),
                Some(Event::Ended { id: of, .. }) if of == id => return Ok(None),
                Some(_) => {}
                None => return Err(self.silent(1)),
            }
        }
    }

    /// Resets the interpreter and attaches to the new epoch.
    pub(super) async fn soft_reset(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.limits.open;
        // Proof first that the board takes what comes next as an empty line of the raw REPL.
        match self.resync(deadline).await {
            // No room for a greeting is proof enough.
            Ok(_) | Err(Error::Exception { .. }) => self.epoch = None,
            Err(error) => return Err(error),
        }
        if let Some(wire) = &mut self.wire {
            wire.repl.sync();
            wire.repl.control(b"\x04");
        }
        // Boards come back in the raw REPL; an interpreter that is started anew greets people first.
        while !matches!(self.step(deadline).await?.ok_or_else(|| self.silent(1))?, Event::Banner | Event::Announced) {}
        self.ensure_attached(deadline).await
    }
}

/// Codes on their way to a board in pieces that it checks and acknowledges, before there is an agent.
struct Loading {
    /// How the loader's count is recognised.
    counted: Expect,
    taken: u32,
    failures: usize,
    deadline: Instant,
}

impl Loading {
    /// Puts the loader on the board; `None` if that cannot be done.
    async fn begin(actor: &mut Actor, deadline: Instant) -> Result<Option<Self>> {
        let (code, counted) = agent::loader(nonce());
        let mut loading = Self { counted, taken: 0, failures: 0, deadline };
        while loading.count(actor, code.clone()).await? != Some(0) {
            if loading.failed(actor).await? {
                return Ok(None);
            }
        }
        Ok(Some(loading))
    }

    /// Sends `code` and runs it in the way that `run` says. Gives back its answer.
    async fn run(&mut self, actor: &mut Actor, code: &str, run: &str, expect: Expect) -> Result<Option<Vec<u8>>> {
        for piece in code.as_bytes().chunks(LOADER_PIECE) {
            while self.count(actor, agent::seal(piece, self.taken, false)).await? != Some(self.taken + 1) {
                if self.failed(actor).await? {
                    return Ok(None);
                }
                // It may have been taken, and only the answer lost.
                if self.count(actor, agent::LOADER_COUNT.to_vec()).await? == Some(self.taken + 1) {
                    break;
                }
            }
            self.taken += 1;
        }
        actor.exchange(run.into(), Lane::Plain, expect, self.deadline).await
    }

    /// What the loader counts after this request.
    async fn count(&self, actor: &mut Actor, request: Vec<u8>) -> Result<Option<u32>> {
        let until = (Instant::now() + FIRST_PATIENCE * 2).min(self.deadline);
        let answer = actor.exchange(request, Lane::Plain, self.counted.clone(), until).await?;
        Ok(answer.as_deref().and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok()))
    }

    /// After something was lost: whether to give up, else a clean prompt.
    async fn failed(&mut self, actor: &mut Actor) -> Result<bool> {
        self.failures += 1;
        if self.failures > LOADER_ATTEMPTS || Instant::now() >= self.deadline {
            return Ok(true);
        }
        let until = (Instant::now() + FIRST_PATIENCE).min(self.deadline);
        actor.enter_raw(1, until).await?;
        Ok(false)
    }
}
