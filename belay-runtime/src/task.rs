//! What is known of a Python body before the program runs: the macro's half of a call.
//!
//! A [`Task`] is a `static` that the macro writes beside each method. It is data only; everything that happens
//! with it happens in the session.

use std::{fmt, time::Duration};

/// One Python body, ready for a board.
pub struct Task {
    /// The Python name of the function (for a setup or teardown: the name of the Rust method).
    pub name: &'static str,
    /// How the body is put on the board and called.
    pub kind: Kind,
    /// The names of the parameters, in order, without `self`.
    pub params: &'static [&'static str],
    /// What goes to the board: for a function its whole `def`, for a setup or teardown the module-level text.
    pub source: &'static str,
    /// FNV-1a, 64 bit, over `source`: what the board knows this text by.
    pub hash: u64,
    /// The deadline of one call, if the task sets one.
    pub timeout: Option<Duration>,
    /// Whether the body may run again when nobody can know if it ran.
    pub idempotent: bool,
    /// Where the lines of `source` stand in the user's files.
    pub origin: Origin,
    /// The namespace on the board that the body lives in.
    pub scope: &'static Scope,
}

/// How a body is put on the board and called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A function: called, its result comes back.
    Task,
    /// A generator: its items come back one by one.
    Stream,
    /// A generator that runs between calls, and can be stopped at each `yield`.
    Thread,
    /// Module-level text that runs in the scope's namespace, once per epoch, before the scope's first task. One with
    /// parameters runs when it is called, with the parameters as globals.
    Setup,
    /// Module-level text that runs in the scope's namespace when the board is closed.
    Teardown,
}

/// Where the lines of a deployed source stand in the user's files.
#[derive(Debug)]
pub struct Origin {
    /// The file, as `file!()` or the `file = "…"` option names it.
    pub file: &'static str,
    /// `lines[i]` is the line (from 1) in `file` of line `i + 1` of the deployed source; 0 where there is none.
    pub lines: &'static [u32],
    /// The original text of each deployed line, for excerpts in tracebacks; same length as `lines`.
    pub text: &'static [&'static str],
}

/// A namespace on the board: one a trait, or one a module for tasks that stand alone.
pub struct Scope {
    /// Module path, and the trait's name where there is one: `my_crate::sensors::Thermometer`.
    pub key: &'static str,
    /// The same with the function that the trait stands in, if it does: what tells two traits of one key apart. Every
    /// process of a program finds the same.
    pub place: fn() -> &'static str,
    /// The setups of this scope, in the order in which they are written. Those without parameters run before its first
    /// task.
    pub setups: &'static [&'static Task],
    /// Everything else of this scope: any of it may stand in the traceback of any other.
    pub tasks: &'static [&'static Task],
    /// The teardowns of this scope, in the order in which they are written. They run in the reverse order.
    pub teardowns: &'static [&'static Task],
}

// Written by hand, because a task names its scope and a scope its setups: derived, the two would go round for ever.

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("params", &self.params)
            .field("source", &self.source)
            .field("hash", &format_args!("{:#018x}", self.hash))
            .field("timeout", &self.timeout)
            .field("idempotent", &self.idempotent)
            .field("origin", &format_args!("{}", self.origin.file))
            .field("scope", &self.scope.key)
            .finish()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("key", &self.key)
            .field("setups", &Names(self.setups))
            .field("tasks", &Names(self.tasks))
            .field("teardowns", &Names(self.teardowns))
            .finish()
    }
}

/// Tasks by their names.
struct Names(&'static [&'static Task]);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|task| task.name)).finish()
    }
}

/// FNV-1a, 64 bit: the named algorithm behind [`Task::hash`]. The macro computes the same.
#[must_use]
pub(crate) const fn fnv1a(bytes: &[u8], mut hash: u64) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash ^= bytes[i] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The offset basis of [`fnv1a`]: the hash of nothing.
pub(crate) const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

#[cfg(test)]
mod tests {
    use super::*;

    static SCOPE: Scope =
        Scope { key: "crate::Trait", place: || "crate::Trait", setups: &[&SETUP], tasks: &[], teardowns: &[] };
    static SETUP: Task = Task {
        name: "open",
        kind: Kind::Setup,
        params: &[],
        source: "x=1",
        hash: 1,
        timeout: None,
        idempotent: false,
        origin: Origin { file: "src/main.rs", lines: &[1], text: &["x = 1"] },
        scope: &SCOPE,
    };

    #[test]
    fn a_task_and_its_scope_can_be_printed() {
        assert_eq!(
            format!("{SCOPE:?}"),
            r#"Scope { key: "crate::Trait", setups: ["open"], tasks: [], teardowns: [] }"#
        );
        assert_eq!(
            format!("{SETUP:?}"),
            r#"Task { name: "open", kind: Setup, params: [], source: "x=1", hash: 0x0000000000000001, timeout: None, idempotent: false, origin: src/main.rs, scope: "crate::Trait" }"#
        );
    }
}
