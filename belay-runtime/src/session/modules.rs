//! Setups and teardowns: text that runs in a namespace when it is due, with what it was last called with.

use std::sync::Arc;

use tokio::time::Instant;

use super::{actor::Actor, epoch::Epoch, holdings::NONE, sealed::Fault};
use crate::{
    agent::{Body, library::PUT},
    codec::args::Args,
    error::{Error, Result},
    task::{Kind, Scope, Task},
};

/// What a session knows of setups and teardowns, whatever boot of the board it meets.
#[derive(Default)]
pub(super) struct Modules {
    /// The setups with parameters that were called, with their last arguments.
    called: Vec<(&'static Task, Arc<Args>)>,
    /// The teardowns that were called since the last task of their namespace.
    torn_down: Vec<&'static Task>,
    /// What was being put on the board, or run for that, when it was reset last.
    reset_in: Option<&'static Task>,
}

/// Why nobody knows what became of a request.
pub(super) const RESET: &str = "the board was reset";

impl Modules {
    fn args(&self, setup: &Task) -> Option<&Arc<Args>> {
        self.called.iter().find(|(called, _)| std::ptr::eq(*called, setup)).map(|(_, args)| args)
    }

    fn note_call(&mut self, setup: &'static Task, args: Arc<Args>) {
        self.called.retain(|(called, _)| !std::ptr::eq(*called, setup));
        self.called.push((setup, args));
    }

    /// A task of this namespace was called: there is something to tear down again.
    pub(super) fn note_use(&mut self, scope: &'static Scope) {
        self.torn_down.retain(|teardown| !std::ptr::eq(teardown.scope, scope));
    }

    fn note_teardown(&mut self, teardown: &'static Task) {
        if !self.has_torn_down(teardown) {
            self.torn_down.push(teardown);
        }
    }

    /// Whether a teardown has run already.
    pub(super) fn has_torn_down(&self, teardown: &Task) -> bool {
        self.torn_down.iter().any(|torn| std::ptr::eq(*torn, teardown))
    }

    /// What was put on the board stayed there.
    pub(super) fn went_through(&mut self) {
        self.reset_in = None;
    }

    /// The setup that nobody has called and without which nothing of this namespace runs.
    fn uncalled(&self, epoch: &Epoch, scope: &'static Scope) -> Option<&'static Task> {
        let setups = scope.setups.iter().copied();
        setups
            .filter(|setup| !setup.params.is_empty())
            .find(|setup| epoch.index(setup).is_none() && self.args(setup).is_none())
    }

    /// Whether a setup of this namespace is due.
    pub(super) fn is_due(&self, epoch: &Epoch, scope: &'static Scope) -> bool {
        scope
            .setups
            .iter()
            .any(|setup| epoch.index(setup).is_none() && (setup.params.is_empty() || self.args(setup).is_some()))
    }
}

impl Actor {
    /// Runs the setups of a namespace that are due, as they are written, up to `last`.
    pub(super) async fn set_up(&mut self, scope: &'static Scope, last: Option<&'static Task>) -> Result<()> {
        let before = |setup: &&&'static Task| last.is_none_or(|last| !std::ptr::eq(**setup, last));
        for setup in scope.setups.iter().take_while(before).copied() {
            if self.epoch.as_ref().is_none_or(|epoch| epoch.index(setup).is_some()) {
                continue;
            }
            if setup.params.is_empty() {
                self.deploy(setup).await?;
            } else if let Some(args) = self.modules.args(setup).cloned() {
                self.set_up_with(setup, &args).await?;
            }
        }
        Ok(())
    }

    /// Runs a setup that has parameters: they become globals, then its text runs.
    async fn set_up_with(&mut self, setup: &'static Task, args: &Args) -> Result<()> {
        let Some(epoch) = &self.epoch else { return Ok(()) };
        let put = epoch.form(&PUT);
        if epoch.index(put).is_none() {
            self.deploy(put).await?;
        }
        let Some(body) = self.epoch.as_ref().and_then(|epoch| epoch.put(setup, args)) else { return Ok(()) };
        self.run_text(setup, body).await?;
        let Some(epoch) = &self.epoch else { return Ok(()) };
        if epoch.index(setup).is_none() {
            return self.deploy(setup).await;
        }
        let body = epoch.exec(setup.source, setup.name, setup.scope);
        self.run_text(setup, body).await
    }

    /// Runs a request that belongs to a setup or a teardown. If the board has been reset, there is no epoch afterwards.
    pub(super) async fn run_text(&mut self, module: &'static Task, body: Body) -> Result<()> {
        self.answer_of(module, body).await.map(drop)
    }

    /// The answer to a request that is no call of a user's; `None` if the board has been reset, and there is no epoch
    /// any more.
    pub(super) async fn answer_of(&mut self, module: &'static Task, body: Body) -> Result<Option<Vec<u8>>> {
        let until = Instant::now() + module.timeout.unwrap_or(self.limits.deploy);
        let id = self.next_id();
        match self.request(id, body, module.name, until).await {
            Ok(payload) => {
                self.modules.went_through();
                self.note_interrupt(&payload);
                crate::call::check(module.name, &payload, Some(module)).map(|()| Some(payload))
            }
            Err(Fault::Error(error)) => Err(error),
            Err(Fault::Gone | Fault::Stopped) => {
                self.epoch = None;
                Ok(None)
            }
            Err(Fault::Reset) => self.begin_anew(module).map(|()| None),
        }
    }

    /// The board was reset while this was put on it, or run for that: in the next epoch it is due again, as everything is.
    /// But not for ever, because it may be what resets the board; and a teardown is no part of a new epoch.
    pub(super) fn begin_anew(&mut self, task: &'static Task) -> Result<()> {
        self.epoch = None;
        let before = self.modules.reset_in.replace(task);
        if task.kind == Kind::Teardown || before.is_some_and(|before| std::ptr::eq(before, task)) {
            self.modules.went_through();
            return Err(self.unknown(task.name, RESET));
        }
        Ok(())
    }

    /// A setup or a teardown that is called. A setup without parameters runs unless it has; everything else runs.
    pub(super) async fn call_module(&mut self, id: u64, module: &'static Task, args: &Arc<Args>) {
        self.queue.prepare(id);
        let outcome = self.module(module, args).await;
        self.queue.prepared();
        // After a reset it is tried again.
        if outcome.is_ok() && self.epoch.is_none() {
            return;
        }
        if let Some(mut job) = self.queue.take(id) {
            job.answer(outcome.map(|()| NONE.to_vec()));
        }
    }

    async fn module(&mut self, module: &'static Task, args: &Arc<Args>) -> Result<()> {
        if module.kind == Kind::Teardown {
            self.set_up(module.scope, None).await?;
            let Some(epoch) = &self.epoch else { return Ok(()) };
            let body = epoch.exec(module.source, module.name, module.scope);
            self.run_text(module, body).await?;
            self.modules.note_teardown(module);
            return Ok(());
        }
        self.set_up(module.scope, Some(module)).await?;
        let Some(epoch) = &self.epoch else { return Ok(()) };
        if module.params.is_empty() {
            if epoch.index(module).is_none() {
                self.deploy(module).await?;
            }
            return Ok(());
        }
        self.set_up_with(module, args).await?;
        if self.epoch.is_some() {
            self.modules.note_call(module, Arc::clone(args));
            self.note_scope(module.scope);
        }
        Ok(())
    }

    /// The setup that has to be called before this, if there is one. Setups themselves wait for none.
    pub(super) fn uncalled(&self, task: &'static Task) -> Option<&'static Task> {
        let epoch = self.epoch.as_ref().filter(|_| task.kind != Kind::Setup)?;
        self.modules.uncalled(epoch, task.scope)
    }

    /// The error that a setup has to be called before `task`.
    pub(super) fn missing_setup(task: &Task, setup: &Task) -> Error {
        let params = setup.params.join(", ");
        Error::SetupMissing { task: task.name.to_owned(), setup: setup.name.to_owned(), params }
    }
}
