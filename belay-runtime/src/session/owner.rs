//! The way to the owner of a line: the innermost service of every stack of layers.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Command, Limits, Shared, job::Job};
use crate::{
    error::{Error, Result},
    executor::{Call, Reply},
};

/// How many calls may wait for one board: more is a program that makes calls faster than the board answers.
const LONGEST_QUEUE: usize = 4096;

/// Hands requests to the task that owns the line, which ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
}

impl Owner {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Hands a call over to the owner of the line and waits for what comes of it, an exception included.
    pub(crate) async fn submit(&self, mut call: Box<Call>) -> Result<Reply> {
        // A layer may have given it another time; otherwise it has its deadline already.
        let deadline = call.due(self.limits.of(&call));
        let limit = call.limit.unwrap_or_default();
        let mut waiting = Waiting::enter(self)?;
        let inside = call.arrive();
        let (reply, answer) = oneshot::channel();
        let job = Job::new(waiting.id, call, limit, deadline, Some(reply));
        self.commands.send(Command::Call(job)).map_err(|_| self.shared.closed())?;
        let answer = answer.await;
        waiting.answered = true;
        let reply = answer.map_err(|_| self.shared.closed())?.map(Reply::new)?;
        inside.answered();
        Ok(reply)
    }
}

/// A call that somebody waits for. Dropping it takes the call back.
struct Waiting<'a> {
    owner: &'a Owner,
    id: u64,
    answered: bool,
}

impl<'a> Waiting<'a> {
    fn enter(owner: &'a Owner) -> Result<Self> {
        let queued = owner.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let id = owner.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let waiting = Self { owner, id, answered: false };
        if queued >= LONGEST_QUEUE {
            owner.shared.status.refused.count();
            return Err(Error::Busy { port: owner.shared.port.clone(), waiting: queued });
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.owner.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            // A session that has ended needs no telling.
            let _ = self.owner.commands.send(Command::Forget(self.id));
        }
    }
}
