//! Getting hold of a board: into the raw REPL, with proof, then finding or installing the agent and the tasks.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use tokio::time::Instant;

use super::actor::{Actor, Step};
use crate::{
    agent::{self, Capabilities, Status},
    codec::{args::Args, reply},
    error::{AfterTimeout, Error, Result},
    exception::Exception,
    repl::{Event, Expect, Lane, Repl, Request, Way, mark},
    task::{FNV_BASIS, Kind, Scope, Task, fnv1a},
};

/// What any board's input buffer holds, until raw-paste's window says more.
pub(super) const SMALLEST_BUFFER: usize = 64;

/// How long the first attempt to enter the raw REPL waits for its banner; each further one waits twice as long.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// What one boot of the board holds.
#[derive(Debug)]
pub(super) struct Epoch {
    token: u32,
    capabilities: Capabilities,
    /// Index on the board by identity.
    deployed: HashMap<u64, usize>,
    /// The agent's count of calls, as far as they have been handed over.
    pub(super) calls: u32,
    /// The agent refuses calls until it is greeted.
    pub(super) locked: bool,
}

impl Epoch {
    pub(super) fn index(&self, task: &Task) -> Option<usize> {
        self.deployed.get(&identity(task)).copied()
    }

    pub(super) fn way(&self) -> Way {
        self.capabilities.way
    }

    /// The text of a call.
    pub(super) fn call(&self, index: usize, args: &Args) -> Vec<u8> {
        let mut code = format!("_b({index}").into_bytes();
        if !args.is_empty() {
            code.push(b',');
            args.write(&mut code, &self.capabilities.literals());
        }
        code.push(b')');
        code
    }

    /// How code of `len` bytes can travel now; `None` if it has to wait for what is in flight.
    pub(super) fn lane(&self, repl: &Repl, len: usize) -> Option<Lane> {
        if repl.takes_plain(len + 1) {
            return Some(Lane::Plain);
        }
        if !repl.is_idle() {
            return None;
        }
        Some(match self.capabilities.raw_paste {
            Some(window) => Lane::RawPaste { window: Some(window.into()) },
            None => Lane::Plain,
        })
    }
}

/// What a deployed source is known by: its scope and its text.
fn identity(task: &Task) -> u64 {
    fnv1a(&task.hash.to_le_bytes(), scope_key(task.scope)) >> 2
}

/// What a namespace is known by: where it was written, and what its setups put into it.
fn scope_key(scope: &Scope) -> u64 {
    let key = fnv1a(scope.key.as_bytes(), FNV_BASIS);
    scope.setups.iter().fold(key, |key, setup| fnv1a(&setup.hash.to_le_bytes(), key)) >> 2
}

/// A fresh number for a greeting. The agent counts on from it in steps of one, and a board's small integers have 30 bits.
pub(super) fn nonce() -> u32 {
    // The standard library's hash keys are the only randomness in it; a fresh state differs from all others.
    (RandomState::new().build_hasher().finish() as u32 & 0x0fff_ffff) | 0x0800_0000
}

/// Why a step of a session went wrong.
enum Fault {
    /// The agent is not there (any more): attach and begin again. The step did not run.
    Gone,
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Actor {
    /// Makes sure that the board listens and holds an agent that takes calls.
    pub(super) async fn ensure_attached(&mut self, deadline: Instant) -> Result<()> {
        if self.wire.is_none() {
            let Some(opener) = &self.opener else {
                return Err(Error::Lost {
                    port: self.shared.port.clone(),
                    reason: "and only its owner can open it again".into(),
                    source: None,
                });
            };
            let line = opener().await?;
            self.take_line(line);
        }
        let status = self.resync(deadline).await?;
        self.adopt(status);
        if self.epoch.is_none() {
            self.install(deadline).await?;
        }
        Ok(())
    }

    /// Takes over what the board said when it was greeted.
    pub(super) fn adopt(&mut self, status: Status) {
        match status {
            Status::Absent => self.epoch = None,
            Status::Present { epoch: token, capabilities, deployed, .. } => {
                let known = self.epoch.take().filter(|epoch| epoch.token == token);
                let deployed = match known {
                    Some(known) => known.deployed,
                    None => deployed.into_iter().enumerate().map(|(index, id)| (id, index)).collect(),
                };
                self.begin(token, *capabilities, deployed);
            }
        }
    }

    fn begin(&mut self, token: u32, capabilities: Capabilities, deployed: HashMap<u64, usize>) {
        if let Some(wire) = &mut self.wire {
            wire.repl.set_buffer(capabilities.raw_paste.map_or(SMALLEST_BUFFER, |window| usize::from(window) * 2));
        }
        *self.shared.capabilities.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(capabilities.clone());
        self.epoch = Some(Epoch { token, capabilities, deployed, calls: self.greeted, locked: false });
    }

    /// Enters the raw REPL whatever the board is doing, and greets the agent: the answer proves that the board listens
    /// now and that nothing older is still on its way.
    pub(super) async fn resync(&mut self, deadline: Instant) -> Result<Status> {
        self.ping_is_over();
        let mut patience = FIRST_PATIENCE;
        let mut attempt = 0;
        loop {
            let until = (Instant::now() + patience).min(deadline);
            if self.enter_raw(attempt, until).await? && let Some(status) = self.greet(until).await? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.silent(attempt + 1));
            }
            attempt += 1;
            patience = (patience * 2).min(LONGEST_PATIENCE);
        }
    }

    fn silent(&self, attempts: u32) -> Error {
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
    async fn enter_raw(&mut self, attempt: u32, until: Instant) -> Result<bool> {
        let Some(wire) = &mut self.wire else { return Ok(false) };
        wire.repl.sync();
        if attempt == 0 {
            wire.repl.control(b"\x03\x03\x01");
        } else {
            // Boards whose USB stack empties the input when it sees Ctrl-C lose what comes right behind it.
            wire.repl.control(b"\r\x03\x03");
            let settle = Instant::now() + until.saturating_duration_since(Instant::now()) / 4;
            while !matches!(self.step(settle).await?, None) {}
            if let Some(wire) = &mut self.wire {
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
        self.greeted = nonce;
        Ok(text.and_then(|text| Status::parse(&text)))
    }

    /// One event, or `None` when the time is up.
    async fn step(&mut self, until: Instant) -> Result<Option<Event>> {
        loop {
            match self.next(Some(until)).await {
                Step::Event(event) => return Ok(Some(event)),
                Step::Changed => {}
                Step::TimeUp => return Ok(None),
                Step::Lost(error) => {
                    let reason = error.to_string();
                    self.lost(&error);
                    return Err(Error::Lost {
                        port: self.shared.port.clone(),
                        reason,
                        source: Some(std::sync::Arc::new(error)),
                    });
                }
            }
        }
    }

    /// Sends code of ours and waits for its answer and for the prompt; `None` if they did not come.
    async fn exchange(&mut self, code: Vec<u8>, lane: Lane, expect: Expect, until: Instant) -> Result<Option<Vec<u8>>> {
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Ok(None) };
        wire.repl.submit(Request { id, code, lane, expect });
        let mut answer = None;
        loop {
            match self.step(until).await? {
                Some(Event::Reply { id: of, payload }) if of == id => answer = Some(payload),
                Some(Event::Done { id: of }) if of == id => return Ok(answer),
                Some(Event::Ended { id: of, .. } | Event::Echo { id: of }) if of == id => return Ok(None),
                Some(Event::RawPaste { id: of, window: None }) if of == id => return Ok(None),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Asks the board what it can do and installs the agent that suits it.
    async fn install(&mut self, deadline: Instant) -> Result<()> {
        let window = self.find_raw_paste(deadline).await?;
        let lane = match window {
            Some(window) => Lane::RawPaste { window: Some(window.into()) },
            None => Lane::Plain,
        };
        if let (Some(window), Some(wire)) = (window, &mut self.wire) {
            wire.repl.set_buffer(usize::from(window) * 2);
        }
        let number = nonce();
        let (code, expect) = agent::probe(number);
        let protocol = |reason: String| Error::Protocol { port: self.shared.port.clone(), reason };
        let lost = protocol("the board did not answer what it can do".into());
        let text = self.exchange(code, lane, expect, deadline).await?.ok_or(lost)?;
        let capabilities = Capabilities::parse(&text, number, window)
            .map_err(|reason| Error::Protocol { port: self.shared.port.clone(), reason })?;
        let token = nonce();
        let greeting = nonce();
        let (hello, expect) = agent::hello(greeting);
        let mut code = agent::install(&capabilities, token).into_bytes();
        code.extend_from_slice(&hello);
        let answer = self.exchange(code, lane, expect, deadline).await?;
        match answer.as_deref().and_then(Status::parse) {
            Some(Status::Present { epoch, .. }) if epoch == token => {
                self.greeted = greeting;
                self.begin(token, capabilities, HashMap::new());
                Ok(())
            }
            _ => Err(Error::Protocol {
                port: self.shared.port.clone(),
                reason: "the agent could not be installed: is the board's heap full?".into(),
            }),
        }
    }

    /// Asks for raw-paste with the smallest program there is.
    async fn find_raw_paste(&mut self, deadline: Instant) -> Result<Option<u16>> {
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Ok(None) };
        let number = nonce();
        let open = number + 1;
        let expect = Expect::Text { open: open.to_string().into_bytes(), close: b"\n".to_vec() };
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

    /// Puts a task on the board, after the setups of its scope.
    pub(super) async fn deploy(&mut self, task: &'static Task) -> Result<()> {
        let setups = task.scope.setups.iter().filter(|setup| setup.kind == Kind::Setup);
        for one in setups.copied().chain([task]) {
            if self.epoch.as_ref().is_none_or(|epoch| epoch.index(one).is_some()) {
                continue;
            }
            match self.deploy_one(one).await {
                Ok(()) => {}
                // The caller finds no epoch and attaches again.
                Err(Fault::Gone) => {
                    self.epoch = None;
                    return Ok(());
                }
                Err(Fault::Error(error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn deploy_one(&mut self, task: &'static Task) -> Result<(), Fault> {
        let id = identity(task);
        let code = agent::deploy(task.source, scope_key(task.scope), id, task.name);
        let payload = self.request(code, task).await?;
        if let Some(mut exception) = Exception::from_reply(&payload) {
            exception.locate(task);
            let task = task.name.to_owned();
            return Err(Error::Exception { task, exception: Box::new(exception) }.into());
        }
        let index: usize = reply::decode(&payload)
            .map_err(|source| Error::WrongType { task: task.name.to_owned(), source: Box::new(source) })?;
        if let Some(epoch) = &mut self.epoch {
            epoch.deployed.insert(id, index);
        }
        Ok(())
    }

    /// One counted request with the line to itself.
    async fn request(&mut self, code: Vec<u8>, task: &Task) -> Result<Vec<u8>, Fault> {
        let limit = self.limits.deploy;
        let until = Instant::now() + limit;
        let (Some(wire), Some(epoch)) = (&self.wire, &mut self.epoch) else { return Err(Fault::Gone) };
        let Some(lane) = epoch.lane(&wire.repl, code.len()) else { return Err(Fault::Gone) };
        epoch.calls += 1;
        let expect = Expect::Frame { mark: mark(epoch.calls), way: epoch.way() };
        let n = epoch.calls;
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return Err(Fault::Gone) };
        wire.repl.submit(Request { id, code, lane, expect });
        let mut answer = None;
        let what = || format!("deploying {}", task.name);
        loop {
            match self.step(until).await? {
                Some(Event::Reply { id: of, payload }) if of == id => answer = Some(payload),
                Some(Event::Done { id: of }) if of == id => return answer.ok_or(Fault::Gone),
                Some(Event::Suspect { .. } | Event::Echo { .. } | Event::RawPaste { window: None, .. }) | None => {
                    // What became of it, the agent's count tells; a source that did not run goes again.
                    let late = Instant::now() >= until;
                    let recover = Instant::now() + self.limits.recover;
                    let status = self.resync(recover).await?;
                    let ran = matches!(&status, Status::Present { last, .. } if n <= *last);
                    let absent = status == Status::Absent;
                    self.adopt(status);
                    if absent {
                        return Err(Fault::Gone);
                    }
                    return Err(Fault::Error(if late {
                        let port = self.shared.port.clone();
                        Error::TimedOut { what: what(), port, limit, board: AfterTimeout::Stopped }
                    } else {
                        let reason = if ran { "its answer was lost" } else { "the board could not read it" };
                        Error::Protocol {
                            port: self.shared.port.clone(),
                            reason: format!("{}: {reason}; is its heap full?", what()),
                        }
                    }));
                }
                Some(_) => {}
            }
        }
    }

    /// Resets the interpreter and attaches to the new epoch.
    pub(super) async fn soft_reset(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.limits.open;
        // Proof first that the board takes what comes next as an empty line of the raw REPL.
        self.resync(deadline).await?;
        self.epoch = None;
        if let Some(wire) = &mut self.wire {
            wire.repl.sync();
            wire.repl.control(b"\x04");
        }
        loop {
            match self.step(deadline).await? {
                Some(Event::Banner) => break,
                Some(_) => {}
                None => return Err(self.silent(1)),
            }
        }
        self.ensure_attached(deadline).await
    }
}
