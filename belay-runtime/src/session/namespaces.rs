//! What a session holds on its board beside handles: the namespaces of traits, with their tasks; and letting go of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{actor::Actor, epoch::scope_key};
use crate::{
    agent::library::{LIBRARY, RELEASE},
    codec::args::Args,
    error::Result,
    task::{Scope, Task},
};

/// MessagePack for None.
const NONE: [u8; 1] = [0xc0];

/// A namespace on a board, and what a session has called in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Namespace {
    /// The module, and the trait if it is one's: `my_crate::sensors::Thermometer`.
    pub name: &'static str,
    /// The tasks of it that are on the board, in the order in which they were first called.
    pub tasks: Vec<&'static str>,
}

/// The tasks that a session has called in this boot of the board.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<Vec<&'static Task>>);

impl Tasks {
    fn all(&self) -> MutexGuard<'_, Vec<&'static Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, task: &'static Task) {
        let mut all = self.all();
        if !std::ptr::eq(task.scope, &LIBRARY) && !all.iter().any(|known| std::ptr::eq(*known, task)) {
            all.push(task);
        }
    }

    /// The board has been reset.
    pub(super) fn clear(&self) {
        self.all().clear();
    }

    /// Takes out the tasks of a namespace.
    fn take(&self, scope: &'static Scope) -> Vec<&'static Task> {
        self.all().extract_if(.., |task| std::ptr::eq(task.scope, scope)).collect()
    }

    pub(super) fn namespaces(&self) -> Vec<Namespace> {
        let mut namespaces: Vec<Namespace> = Vec::new();
        for task in self.all().iter() {
            let name = task.scope.key;
            match namespaces.iter_mut().find(|namespace| namespace.name == name) {
                Some(namespace) => namespace.tasks.push(task.name),
                None => namespaces.push(Namespace { name, tasks: vec![task.name] }),
            }
        }
        namespaces
    }
}

impl Actor {
    /// Lets go of a namespace for a call that waits for it.
    pub(super) async fn release(&mut self, id: u64, scope: &'static Scope) {
        self.queue.prepare(id);
        let outcome = self.let_go(scope).await;
        self.queue.prepared();
        if let Some(mut job) = self.queue.take(id) {
            job.answer(outcome.map(|()| NONE.to_vec()));
        }
    }

    /// Tears a namespace down and forgets it, on the board and here. A board that was reset has nothing of it.
    async fn let_go(&mut self, scope: &'static Scope) -> Result<()> {
        let mut outcome = Ok(());
        for teardown in scope.teardowns.iter().rev() {
            outcome = outcome.and(self.tear_down_with(teardown).await);
        }
        let tasks = self.shared.held_tasks.take(scope);
        self.scopes.retain(|known| !std::ptr::eq(*known, scope));
        let Some(epoch) = &mut self.epoch else { return outcome };
        let mut args = Args::new();
        // Ints can always be written.
        let _ = args.push(&scope_key(scope));
        for task in tasks.into_iter().chain(scope.setups.iter().copied()) {
            if let Some(index) = epoch.forget(task) {
                let _ = args.push(&index);
            }
        }
        let release = epoch.form(&RELEASE);
        if epoch.index(release).is_none() {
            self.deploy(release).await?;
        }
        let Some(body) = self.epoch.as_ref().and_then(|epoch| epoch.call(release, &args, None)) else { return outcome };
        outcome.and(self.run_text(release, body).await)
    }
}
