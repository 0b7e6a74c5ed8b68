//! Finding out what a board can do, and putting the agent on it: in as few turns as there are on a trusted line, in
//! pieces that the board checks on any other.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    actor::Actor,
    attach::SLOW,
    epoch::nonce,
    wire::{Pace, count},
};
use crate::{
    agent::{self, ALL_WAYS, Agent, Capabilities, Present, Status},
    board::Step,
    error::{Error, Result},
    repl::{Expect, Lane},
    transport::Trust,
};

/// How long a board may say nothing while it runs what it was sent during an installation.
const QUIET: Duration = Duration::from_secs(2);
/// The same for what answers at once.
const SHORT_QUIET: Duration = Duration::from_millis(500);
/// The same for one whose answers have been timed: four times the slowest of them, and never less than this.
const SHORTEST_QUIET: Duration = Duration::from_millis(80);
/// How many answers tell how long the next ones take.
const ANSWERS: u32 = 3;
/// How often a step of an installation is begun anew.
const ATTEMPTS: usize = 12;
/// Pieces of a source on boards without raw-paste, before anything is known of them.
const LOADER_PIECE: usize = 48;
const SMALLEST_PIECE: usize = 16;
const LARGEST_PIECE_AFTER_A_FAILURE: usize = 256;
/// Free heap from which the parts of an agent, each parsed by itself, may come together.
const HEAP_FOR_ALL_PARTS: u32 = 16 * 1024;
/// Failures in a row after which the loader itself is not believed.
const LOADER_FAILURES: usize = 8;

impl Actor {
    /// Asks the board what it can do and installs the agent that suits it.
    pub(super) async fn install(&mut self, deadline: Instant) -> Result<()> {
        let (window, found) = if self.trust == Trust::Trusted {
            self.probe_asking(deadline).await?
        } else {
            (self.agreed_window(deadline).await?, None)
        };
        if let Some(wire) = &mut self.wire {
            match window {
                Some(window) => wire.repl.set_buffer(usize::from(window) * 2),
                None => wire.set_pace(Some(SLOW)),
            }
        }
        let capabilities = match found {
            Some(capabilities) => capabilities,
            None => self.probe_in_pieces(window, deadline).await?,
        };
        self.trust_own_usb(&capabilities);
        let verified = self.trust == Trust::Verified || window.is_none();
        let token = nonce();
        let parts = Agent::choose(&capabilities, verified).parts(&capabilities, token);
        self.begin_transfer("installing the agent", parts.iter().map(String::len).sum());
        let one_by_one = capabilities.free_heap < HEAP_FOR_ALL_PARTS;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.clean_prompt(deadline).await?;
            }
            let present = match window {
                Some(window) if !verified && attempt == 0 => {
                    self.paste_parts(&parts, one_by_one, window, deadline).await?
                }
                _ => self.load_parts(&parts, window, deadline).await?,
            };
            if let Some(present) = present.filter(|present| present.epoch == token) {
                self.end_transfer();
                self.adopt(present);
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(self.not_installed(if Instant::now() >= deadline {
            "the agent was not installed in time: does the line lose bytes, or is it so slow that `open_timeout` should be \
             longer?"
        } else {
            "the agent could not be installed: does the line lose bytes, or is the heap full?"
        }))
    }

    fn not_installed(&self, reason: &str) -> Error {
        Error::Protocol { port: self.shared.port.clone(), reason: reason.into() }
    }

    /// Asks for raw-paste and, where there is one, for everything else behind it.
    async fn probe_asking(&mut self, deadline: Instant) -> Result<(Option<u16>, Option<Capabilities>)> {
        let number = nonce();
        let (code, expect) = agent::probe(number, ALL_WAYS);
        let code = [agent::MAKE_NAMESPACE, &agent::in_namespace(&code)].concat();
        let lane = Lane::RawPaste { window: None };
        let answer = self.converse(code.into_bytes(), lane, expect, deadline, QUIET).await?;
        let window = answer.raw_paste.flatten();
        // Where there is raw-paste, only the line can have made it what no board takes.
        if window.is_some() && answer.damaged {
            self.distrust();
        }
        let found = answer.text.and_then(|text| Capabilities::parse(&text, number, window).ok());
        if found.is_none() {
            self.clean_prompt(deadline).await?;
        }
        Ok((window, found))
    }

    /// The window of raw-paste on a line that may change it on the way: only what is said twice is believed.
    async fn agreed_window(&mut self, deadline: Instant) -> Result<Option<u16>> {
        let mut before = None;
        for _ in 0..ATTEMPTS {
            let (code, expect) = agent::ping(nonce());
            let lane = Lane::RawPaste { window: None };
            let answer = self.converse(code, lane, expect, deadline, SHORT_QUIET).await?;
            if answer.text.is_none() && answer.raw_paste != Some(None) {
                self.clean_prompt(deadline).await?;
            } else if let Some(window) = answer.raw_paste
                && before.replace(window) == Some(window)
            {
                return Ok(window);
            }
        }
        Ok(None)
    }

    /// Asks the board for everything, in checked pieces.
    async fn probe_in_pieces(&mut self, window: Option<u16>, deadline: Instant) -> Result<Capabilities> {
        // The probe itself takes a good part of the smallest heaps.
        let free_heap = if window.is_none() { self.free_heap(deadline).await? } else { None };
        let mut reason = "it did not answer what it can do".to_owned();
        for attempt in 0..ATTEMPTS {
            if Instant::now() >= deadline {
                break;
            }
            let number = nonce();
            // The less a board prints, the likelier it comes whole; nearly all boards need no more than the first way.
            let ways = if window.is_some() && attempt % 2 == 0 { 1 } else { ALL_WAYS };
            let (code, expect) = agent::probe(number, ways);
            let Some(mut loading) = Loading::begin(self, window, deadline).await? else { continue };
            let text = loading.run(self, &code, agent::RUN_ONCE, expect).await?;
            match text.map(|text| Capabilities::parse(&text, number, window)) {
                Some(Ok(mut capabilities)) => {
                    capabilities.free_heap = capabilities.free_heap.max(free_heap.unwrap_or(0));
                    return Ok(capabilities);
                }
                Some(Err(why)) => reason = why,
                None => self.clean_prompt(deadline).await?,
            }
        }
        Err(self.not_installed(&reason))
    }

    /// Installs an agent with raw-paste: the last part and the greeting in one turn.
    async fn paste_parts(
        &mut self,
        parts: &[String],
        one_by_one: bool,
        window: u16,
        deadline: Instant,
    ) -> Result<Option<Present>> {
        let lane = Lane::RawPaste { window: Some(window.into()) };
        let mut code = agent::MAKE_NAMESPACE.to_owned();
        for (at, part) in parts.iter().enumerate() {
            code.push_str(&agent::in_namespace(part));
            if one_by_one && at + 1 < parts.len() {
                let done = nonce();
                code.push_str(&agent::done(done));
                let code = std::mem::take(&mut code).into_bytes();
                if self.exchange(code, lane, agent::between(done), deadline, QUIET).await?.is_none() {
                    return Ok(None);
                }
            }
        }
        code.push_str(agent::START);
        let greeting = nonce();
        let (hello, expect) = agent::hello(greeting);
        let text = self.exchange([code.as_bytes(), &hello].concat(), lane, expect, deadline, QUIET).await?;
        Ok(text.and_then(|text| present(&text, greeting)))
    }

    /// Installs an agent in checked pieces.
    async fn load_parts(
        &mut self,
        parts: &[String],
        window: Option<u16>,
        deadline: Instant,
    ) -> Result<Option<Present>> {
        // A fresh loader: what the probe left of the first one is gone.
        let Some(mut loading) = Loading::begin(self, window, deadline).await? else { return Ok(None) };
        for part in parts {
            let done = nonce();
            let part = [part, agent::done(done).as_str()].concat();
            if loading.run(self, &part, agent::RUN_PART, agent::between(done)).await?.is_none() {
                return Ok(None);
            }
        }
        // Started twice, it stays what it is.
        for _ in 0..LOADER_FAILURES {
            let greeting = nonce();
            let (hello, expect) = agent::hello(greeting);
            let started = [agent::START_LOADED.as_bytes(), &hello].concat();
            let text = self.exchange(started, loading.lane(hello.len() * 2), expect, deadline, SHORT_QUIET).await?;
            if let Some(present) = text.and_then(|text| present(&text, greeting)) {
                return Ok(Some(present));
            }
            self.clean_prompt(deadline).await?;
            if let Some(Status::Present(present)) = self.greet(deadline).await? {
                return Ok(Some(*present));
            }
        }
        Ok(None)
    }

    /// The free heap of a board on which the probe itself takes a good part of it.
    async fn free_heap(&mut self, deadline: Instant) -> Result<Option<u32>> {
        let number = nonce();
        let expect = agent::between(number);
        let Some(text) = self.exchange(agent::free_heap(number), Lane::Plain, expect, deadline, QUIET).await? else {
            self.clean_prompt(deadline).await?;
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&text);
        let mut twice = text.split_whitespace();
        Ok(twice.next().filter(|once| twice.next() == Some(once)).and_then(|free| free.parse().ok()))
    }
}

fn present(text: &[u8], greeting: u32) -> Option<Present> {
    match Status::parse(text, greeting) {
        Some(Status::Present(present)) => Some(*present),
        _ => None,
    }
}

/// Codes on their way to a board in pieces that it checks and acknowledges, before there is an agent.
struct Loading {
    window: Option<u16>,
    /// How the loader's count is recognised.
    counted: Expect,
    taken: u32,
    /// Since a piece was taken.
    failures: usize,
    /// How many answers have come, and how long the slowest of them took.
    answers: u32,
    slowest: Duration,
    /// How large pieces may be. Boards with flow control begin with all at once.
    piece: usize,
    /// How far they grow while nothing is lost.
    largest: usize,
    deadline: Instant,
}

impl Loading {
    /// Puts the loader on the board; `None` if that cannot be done.
    async fn begin(actor: &mut Actor, window: Option<u16>, deadline: Instant) -> Result<Option<Self>> {
        let (code, counted) = agent::loader(nonce());
        let piece = if window.is_some() { usize::MAX } else { LOADER_PIECE };
        let largest = piece.min(LARGEST_PIECE_AFTER_A_FAILURE);
        let (answers, slowest) = (0, Duration::ZERO);
        let mut loading = Self { window, counted, taken: 0, failures: 0, answers, slowest, piece, largest, deadline };
        while loading.count(actor, code.clone()).await? != Some(0) {
            if loading.failed(actor).await? {
                return Ok(None);
            }
        }
        loading.failures = 0;
        Ok(Some(loading))
    }

    /// How code of `len` bytes travels.
    fn lane(&self, len: usize) -> Lane {
        match self.window {
            Some(window) if len + 4 > usize::from(window) => Lane::RawPaste { window: Some(window.into()) },
            _ => Lane::Plain,
        }
    }

    /// Sends `code` and runs it in the way that `run` says. Gives back its answer.
    async fn run(&mut self, actor: &mut Actor, code: &str, run: &str, expect: Expect) -> Result<Option<Vec<u8>>> {
        let mut rest = code.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.piece.min(rest.len()));
            let mut count = self.count(actor, agent::seal(piece, self.taken, false, false)).await?;
            if count != Some(self.taken + 1) {
                self.piece = (self.piece.min(rest.len()) / 2).clamp(SMALLEST_PIECE, LARGEST_PIECE_AFTER_A_FAILURE);
            }
            // It may have been taken, and only the answer lost: nothing else is sent before that is known.
            while count.is_none_or(|count| count != self.taken && count != self.taken + 1) {
                if self.failed(actor).await? {
                    return Ok(None);
                }
                count = self.count(actor, agent::LOADER_COUNT.to_vec()).await?;
            }
            if count == Some(self.taken) {
                if self.failed(actor).await? {
                    return Ok(None);
                }
                continue;
            }
            if self.piece < self.largest {
                self.piece = (self.piece * 2).min(self.largest);
            }
            self.taken += 1;
            self.failures = 0;
            rest = after;
        }
        actor.exchange(run.into(), Lane::Plain, expect, self.deadline, QUIET).await
    }

    /// What the loader counts after this request.
    async fn count(&mut self, actor: &mut Actor, request: Vec<u8>) -> Result<Option<u32>> {
        let lane = self.lane(request.len());
        let quiet = match self.answers {
            ANSWERS.. => (self.slowest * 4).clamp(SHORTEST_QUIET, SHORT_QUIET),
            _ => SHORT_QUIET,
        };
        let begun = Instant::now();
        let answer = actor.exchange(request, lane, self.counted.clone(), self.deadline, quiet).await?;
        if answer.is_some() {
            self.answers += 1;
            self.slowest = self.slowest.max(begun.elapsed());
        }
        Ok(answer.as_deref().and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok()))
    }

    /// After something was lost: whether to give up, else a clean prompt.
    async fn failed(&mut self, actor: &mut Actor) -> Result<bool> {
        self.failures += 1;
        if self.failures > LOADER_FAILURES || Instant::now() >= self.deadline {
            return Ok(true);
        }
        count(&actor.shared.counts.resent);
        if self.failures > 1 {
            // It may be bursts that are lost.
            actor.set_pace(Pace::of(Step::SmallChunks, 0));
        }
        actor.clean_prompt(self.deadline).await?;
        Ok(false)
    }
}
