//! What one boot of a board holds, and how requests are written for it.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use crate::{
    agent::{Agent, Body, Capabilities, Present, Source},
    codec::args::Args,
    repl::{Expect, Form, Lane, Repl},
    task::{FNV_BASIS, Scope, Task, fnv1a},
};

/// What one boot of the board holds.
pub(super) struct Epoch {
    token: u32,
    agent: &'static Agent,
    pub(super) capabilities: Capabilities,
    /// Index on the board by identity.
    deployed: HashMap<u64, usize>,
    /// The namespaces that are used, in the order in which that began.
    scopes: Vec<&'static Scope>,
    /// The agent's count of calls, as far as they have been handed over.
    pub(super) calls: u32,
    /// The agent refuses calls until it is greeted.
    pub(super) locked: bool,
}

impl Epoch {
    /// What the agent said, joined with what is known of the same epoch.
    pub(super) fn new(present: Present, known: Option<Self>) -> Self {
        let Present { agent, epoch: token, calls, capabilities, deployed } = present;
        let (deployed, scopes) = match known.filter(|known| known.token == token) {
            Some(known) => (known.deployed, known.scopes),
            // The board's first function is the one that deploys.
            None => (deployed.into_iter().zip(1..).collect(), Vec::new()),
        };
        Self { token, agent, capabilities, deployed, scopes, calls, locked: false }
    }

    pub(super) fn token(&self) -> u32 {
        self.token
    }

    /// Whether the agent understands sealed requests.
    pub(super) fn verifies(&self) -> bool {
        self.agent.verifies
    }

    /// Where a source is on the board.
    pub(super) fn index(&self, source: &Deployment) -> Option<usize> {
        self.deployed.get(&source.identity).copied()
    }

    pub(super) fn index_of_task(&self, task: &Task) -> Option<usize> {
        self.deployed.get(&identity(task.hash, task.scope)).copied()
    }

    pub(super) fn holds(&mut self, source: &Deployment, index: usize) {
        self.deployed.insert(source.identity, index);
    }

    /// Notes that a namespace is used; whether that is news.
    pub(super) fn uses(&mut self, scope: &'static Scope) -> bool {
        let news = !self.scopes.iter().any(|known| std::ptr::eq(*known, scope));
        if news {
            self.scopes.push(scope);
        }
        news
    }

    /// The body of a call.
    pub(super) fn call(&self, index: usize, args: &Args) -> Body {
        let mut body = index.to_string().into_bytes();
        // A sealed body is evaluated: the comma makes it a tuple.
        if !args.is_empty() || self.verifies() {
            body.push(b',');
        }
        args.write(&mut body, &self.capabilities.literals());
        Body::call(body)
    }

    /// The body that puts a source on the board.
    pub(super) fn deployment(&self, source: &Deployment) -> Body {
        let Deployment { text, name, scope, identity, .. } = *source;
        self.run(Source { text, name, scope: scope_key(scope), keep: Some(identity) })
    }

    /// The body that runs a text in a namespace.
    pub(super) fn exec(&self, text: &str, name: &str, scope: &Scope) -> Body {
        self.run(Source { text, name, scope: scope_key(scope), keep: None })
    }

    fn run(&self, source: Source<'_>) -> Body {
        source.body(self.agent, &self.capabilities)
    }

    /// How the answer of call number `n` is recognised.
    pub(super) fn answer(&self, n: u32) -> Expect {
        Expect::Frame(Form { n, way: self.capabilities.way, verified: self.agent.verifies })
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

/// A source that is kept on the board.
pub(super) struct Deployment {
    identity: u64,
    pub(super) name: &'static str,
    text: &'static str,
    scope: &'static Scope,
    /// The task or setup that it is, unless it is a helper of ours.
    pub(super) task: Option<&'static Task>,
}

impl Deployment {
    pub(super) fn of_task(task: &'static Task) -> Self {
        Self {
            identity: identity(task.hash, task.scope),
            name: task.name,
            text: task.source,
            scope: task.scope,
            task: Some(task),
        }
    }

    /// What evaluates expressions in a namespace.
    pub(super) fn of_eval(scope: &'static Scope) -> Self {
        let hash = fnv1a(EVAL.as_bytes(), FNV_BASIS);
        Self { identity: identity(hash, scope), name: "_b_eval", text: EVAL, scope, task: None }
    }
}

/// A function that stands in a namespace sees its globals.
const EVAL: &str = "def _b_eval(s):return eval(s)";

/// What a deployed source is known by: its scope and its text.
fn identity(hash: u64, scope: &Scope) -> u64 {
    fnv1a(&hash.to_le_bytes(), scope_key(scope)) >> 2
}

/// What a namespace is known by: where it was written, and what its setups put into it.
fn scope_key(scope: &Scope) -> u64 {
    if scope.key.is_empty() {
        return 0;
    }
    let key = fnv1a(scope.key.as_bytes(), FNV_BASIS);
    scope.setups.iter().fold(key, |key, setup| fnv1a(&setup.hash.to_le_bytes(), key)) >> 2
}

/// A fresh number, of at most 28 bits: a board's small integers have 30.
pub(super) fn nonce() -> u32 {
    // The standard library's hash keys are the only randomness in it; a fresh state differs from all others.
    (RandomState::new().build_hasher().finish() as u32 & 0x0fff_ffff) | 0x0800_0000
}
