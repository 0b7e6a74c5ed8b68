//! Python of ours that is put on a board when it is first needed, so that no board carries what no program uses.
//!
//! Each function is a task like those of users: counted, called at most once, verified, known to a second process by
//! its hash. But its namespace is the agent's own, where it finds `T`, the functions by index, `S`, the namespaces, and
//! `e`, which encodes. What stays on the board for the host stands in `S` too, under a number that the host gives and
//! that is below zero. So a handle can be freed whatever became of the call that made it.
//!
//! - `pull(i, j, *a)`: `i` is a task: makes its generator, and gives the first item. `i` is 0: gives at most `a[0]`
//!   items, and fewer when there is one and `a[1]` milliseconds have passed. The reply is `(1, items)`, and `(0, items)`
//!   at the end. An exception behind items that were there already is raised by the next pull. What was there when an
//!   interrupt came is given by the next pull, which is then the last.
//! - `put(g, n, *a)`: makes `a` globals called `n` in the namespace `g`.
//! - `release(g, *i)`: forgets the namespace `g` and the functions at these places of `T`.
//! - `value(g, s)`: the value of an expression in the namespace `g`.
//! - `thread(i, j, *a)`: `i` is a task: starts a thread that runs its generator. `i` is 0: whether it runs; before that,
//!   `a[0]` is 1: has it stop; if it has ended, `a[0]` is 2: raises what ended it. The thread itself touches nothing but
//!   a list of its own, because some boards run two threads at the same time without a lock.
//! - `obj(i, j, k, o, n, a)`: an attribute, a method's result, an item, of an object that is kept; or, to begin with, the
//!   value of an expression. `k` is not 0: that is kept too, under `k`.
//! - `free(*j)`: forgets what is kept, and closes generators, so that their `finally` blocks run; without arguments all
//!   but threads.
//!
//! `guard` gives the frames of a trusted line the form that those of a verified line have, a check in the head, because
//! what threads print may come in the middle of a frame. It is put on the board before the first thread.

use crate::task::{FNV_BASIS, Kind, Origin, Scope, Task, fnv1a};

/// The agent's own namespace.
pub(crate) static LIBRARY: Scope = Scope { key: "belay", place: || "belay", setups: &[], tasks: &[], teardowns: &[] };

/// A function in as many forms as there are agents: `[full, tiny]`.
pub(crate) type Function = [Task; 2];

pub(crate) static PULL: Function =
    [function("pull", include_str!("pull.py")), function("pull", include_str!("pull_tiny.py"))];
pub(crate) static VALUE: Function =
    [const { function("value", "def value(g,s):return eval(s,S.setdefault(g,{}))") }; 2];
pub(crate) static RELEASE: Function =
    [const { function("release", "def release(g,*a):\n S.pop(g,0)\n for i in a:T[i]=H[i-1]=0") }; 2];
pub(crate) static PUT: Function = [const { function("put", include_str!("put.py")) }; 2];
pub(crate) static FREE: Function = [const { function("free", include_str!("free.py")) }; 2];

pub(crate) static THREAD: Function = [const { function("thread", include_str!("thread.py")) }; 2];
pub(crate) static OBJ: Function = [const { function("obj", include_str!("obj.py")) }; 2];
/// Named after the last function that it defines before it changes how frames are written.
pub(crate) static GUARD: Task = function("c", include_str!("guard.py"));

const fn function(name: &'static str, source: &'static str) -> Task {
    Task {
        name,
        kind: Kind::Task,
        params: &[],
        source,
        hash: fnv1a(source.as_bytes(), FNV_BASIS),
        timeout: None,
        idempotent: false,
        origin: Origin { file: "", lines: &[], text: &[] },
        scope: &LIBRARY,
    }
}
