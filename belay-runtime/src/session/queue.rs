//! Who waits for the board, in the order in which they came, and who has it to themselves.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::job::Job;
use crate::error::{AfterTimeout, Error};

#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Box<Job>>,
    /// Only calls with this lease may begin.
    lease: Option<u64>,
    /// The call for whose sake the board is being set up: its deadline stands still meanwhile.
    prepared_for: Option<(u64, Instant)>,
    /// No deadline is before this, so that a long queue need not be searched all the time.
    soonest: Option<Instant>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Box<Job>) {
        self.reckon_with(job.deadline);
        self.jobs.push_back(job);
    }

    /// Puts a call that did not run back to where it came from.
    pub(super) fn put_back(&mut self, job: Box<Job>) {
        self.reckon_with(job.deadline);
        self.jobs.push_front(job);
    }

    fn reckon_with(&mut self, deadline: Instant) {
        self.soonest = Some(self.soonest.map_or(deadline, |soonest| soonest.min(deadline)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The call that may begin next.
    pub(super) fn first(&self) -> Option<&Job> {
        match self.lease {
            None => self.jobs.front(),
            Some(_) => self.jobs.iter().find(|job| job.call.lease == self.lease),
        }
        .map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id).map(Box::as_mut)
    }

    /// Takes a call out, if somebody still waits for it.
    pub(super) fn take(&mut self, id: u64) -> Option<Box<Job>> {
        let at = self.jobs.iter().position(|job| job.id == id)?;
        self.jobs.remove(at)
    }

    pub(super) fn is_lent_to(&self, lease: u64) -> bool {
        self.lease == Some(lease)
    }

    /// From now on only calls with this lease begin.
    pub(super) fn lend(&mut self, lease: u64) {
        self.lease = Some(lease);
    }

    pub(super) fn give_back(&mut self, lease: u64) {
        if self.lease == Some(lease) {
            self.lease = None;
        }
    }

    /// The board is being set up for this call.
    pub(super) fn prepare(&mut self, id: u64) {
        self.prepared_for = Some((id, Instant::now()));
    }

    /// It has been set up: the time that it took is not the caller's.
    pub(super) fn prepared(&mut self) {
        let Some((id, begun)) = self.prepared_for.take() else { return };
        if let Some(job) = self.get_mut(id) {
            job.deadline += begun.elapsed();
            let deadline = job.deadline;
            self.reckon_with(deadline);
        }
    }

    /// Tells callers whose deadline has passed; gives back the next deadline.
    pub(super) fn expire(&mut self, now: Instant, port: &str, board: AfterTimeout) -> Option<Instant> {
        if self.soonest.is_none_or(|soonest| soonest > now) {
            return self.soonest;
        }
        let mut next: Option<Instant> = None;
        let exempt = self.prepared_for.map(|(id, _)| id);
        self.jobs.retain_mut(|job| {
            if Some(job.id) == exempt {
                return true;
            }
            if job.deadline > now {
                next = Some(next.map_or(job.deadline, |next| next.min(job.deadline)));
                return true;
            }
            job.time_out(port, board);
            false
        });
        self.soonest = next;
        next
    }

    /// Answers everybody.
    pub(super) fn fail(&mut self, error: &Error) {
        for mut job in self.jobs.drain(..) {
            job.answer(Err(error.clone()));
        }
    }
}
