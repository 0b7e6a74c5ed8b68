//! What one boot of a board holds, and how requests are written for it.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use super::adhoc::ADHOC;
use crate::{
    agent::{
        self, Agent, Body, Capabilities, Present, Source,
        library::{Function, GUARD, KEEP, OBJ, PULL, PUT, THREAD},
    },
    codec::args::{Args, LiteralOptions},
    executor::Via,
    repl::{Expect, Form, Lane, Repl},
    task::{FNV_BASIS, Scope, Task, fnv1a},
};

/// What one boot of the board holds.
pub(super) struct Epoch {
    token: u32,
    agent: &'static Agent,
    pub(super) capabilities: Capabilities,
    literals: LiteralOptions,
    /// Index on the board by identity.
    deployed: HashMap<u64, usize>,
    /// The agent's count of calls, as far as they have been handed over.
    pub(super) calls: u32,
    /// The agent refuses calls until it is greeted.
    pub(super) locked: bool,
    /// Replies have checks although the line is trusted, because threads may print in the middle of them. Then one call
    /// is under way at a time, so that its reply can be asked for again.
    pub(super) guarded: bool,
}

impl Epoch {
    /// What the agent said.
    pub(super) fn new(present: Present) -> Self {
        let Present { agent, epoch: token, calls, capabilities, deployed } = present;
        // The board's first function is the one that deploys.
        let deployed = deployed.into_iter().zip(1..).collect();
        let literals = capabilities.literals();
        let mut epoch = Self { token, agent, capabilities, literals, deployed, calls, locked: false, guarded: false };
        epoch.guarded = !agent.verifies && epoch.index(&GUARD).is_some();
        epoch
    }

    pub(super) fn token(&self) -> u32 {
        self.token
    }

    /// Whether the agent understands sealed requests.
    pub(super) fn verifies(&self) -> bool {
        self.agent.verifies
    }

    pub(super) fn index(&self, task: &Task) -> Option<usize> {
        self.deployed.get(&identity(task)).copied()
    }

    pub(super) fn holds(&mut self, task: &Task, index: usize) {
        self.deployed.insert(identity(task), index);
    }

    /// Forgets where a task is; gives back where it was.
    pub(super) fn forget(&mut self, task: &Task) -> Option<usize> {
        self.deployed.remove(&identity(task))
    }

    /// What has to be put on the board before this call, if anything.
    pub(super) fn missing(&self, task: &'static Task, via: Option<&Via>) -> Option<&'static Task> {
        let task = via.is_none_or(|via| via.uses.is_none()).then_some(task);
        let threads = via.is_some_and(|via| std::ptr::eq(via.function, &THREAD));
        let guard = (threads && !self.verifies()).then_some(&GUARD);
        let function = via.map(|via| self.form(via.function));
        [task, guard, function].into_iter().flatten().find(|task| self.index(task).is_none())
    }

    /// Whether handles may have left something here.
    pub(super) fn holds_something(&self) -> bool {
        [&PULL, &OBJ, &KEEP, &THREAD].into_iter().any(|function| self.index(self.form(function)).is_some())
    }

    /// The form of a function of ours that suits the agent.
    pub(super) fn form(&self, function: &'static Function) -> &'static Task {
        let [full, tiny] = function;
        if self.capabilities.holds_full_agent() { full } else { tiny }
    }

    /// The body of a call; `None` if something is missing.
    pub(super) fn call(&self, task: &'static Task, args: &Args, via: Option<&Via>) -> Option<Body> {
        let mut body = match via {
            None => self.index(task)?.to_string(),
            Some(via) => {
                let task = if via.uses.is_none() { self.index(task)? } else { 0 };
                format!("{},{task},{}", self.index(self.form(via.function))?, via.subject()?.number())
            }
        }
        .into_bytes();
        // A sealed body is evaluated: the comma makes it a tuple.
        if !args.is_empty() || self.verifies() {
            body.push(b',');
        }
        args.write(&mut body, &self.literals);
        Some(Body::call(body))
    }

    /// The body that makes the arguments of a setup globals of its namespace; `None` if the function for it is missing.
    pub(super) fn put(&self, setup: &Task, args: &Args) -> Option<Body> {
        let names: String = setup.params.iter().map(|name| format!("'{name}',")).collect();
        let index = self.index(self.form(&PUT))?;
        let mut body = format!("{index},{},({names}),", scope_key(setup.scope)).into_bytes();
        args.write(&mut body, &self.literals);
        Some(Body::call(body))
    }

    /// The body that puts `task` on the board.
    pub(super) fn deployment(&self, task: &Task) -> Body {
        let (text, name) = (task.source, task.name);
        self.run(Source { text, name, scope: scope_key(task.scope), keep: Some(identity(task)) })
    }

    /// The body that runs a text in a namespace; `name` stands for it in tracebacks.
    pub(super) fn exec(&self, text: &str, name: &str, scope: &Scope) -> Body {
        self.run(Source { text, name, scope: scope_key(scope), keep: None })
    }

    fn run(&self, source: Source<'_>) -> Body {
        source.body(self.agent, &self.capabilities)
    }

    /// How the answer of call number `n` is recognised.
    pub(super) fn answer(&self, n: u32) -> Expect {
        // What a guard finds of the number in the head that it replaces.
        let n = if self.guarded { n.wrapping_mul(1597) & 0xffff } else { n };
        Expect::Frame(Form { n, way: self.capabilities.way_out, verified: self.verifies() || self.guarded })
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
pub(crate) fn scope_key(scope: &Scope) -> u64 {
    if std::ptr::eq(scope, &agent::library::LIBRARY) {
        return agent::OWN;
    }
    if std::ptr::eq(scope, &ADHOC) {
        return 0;
    }
    let key = fnv1a((scope.place)().as_bytes(), FNV_BASIS);
    scope.setups.iter().fold(key, |key, setup| fnv1a(&setup.hash.to_le_bytes(), key)) >> 2
}

/// A fresh number, of at most 28 bits: a board's small integers have 30.
pub(super) fn nonce() -> u32 {
    // The standard library's hash keys are the only randomness in it; a fresh state differs from all others.
    (RandomState::new().build_hasher().finish() as u32 & 0x0fff_ffff) | 0x0800_0000
}
