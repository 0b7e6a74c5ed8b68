//! The bytes whose meaning is open: taken from the front without moving the rest, and searched without looking twice.

use std::{collections::VecDeque, ops::Deref};

#[cfg(test)]
use crate::codec::msgpack::WORK;

/// How many searches are remembered; more texts than these are never looked for at a time.
const MOST_SEARCHES: usize = 12;

/// So little is looked through again rather than remembered: most replies are not longer.
const SHORT: usize = 48;

/// What has been received and not been understood. It is read as a slice of what is shown.
#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: Vec<u8>,
    /// Where what is not understood begins.
    start: usize,
    /// Where what is hidden begins, as counted from the end.
    hidden: usize,
    /// How many bytes came before `bytes`.
    before: u64,
    searches: VecDeque<Search>,
}

/// A text that does not begin anywhere in a part of what was received.
#[derive(Debug)]
struct Search {
    text: Vec<u8>,
    from: u64,
    to: u64,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.bytes.len() - self.hidden]
    }
}

impl Received {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // What has been taken is given up when it is most of all: each byte is moved once at most.
        if self.start > self.bytes.len() / 2 {
            #[cfg(test)]
            WORK.set(WORK.get() + self.bytes.len() - self.start);
            self.before += self.start as u64;
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the first `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.start += n.min(self.len());
        &self.bytes[from..self.start]
    }

    /// What stands at `at` and behind it is not there until it is shown again.
    pub(super) fn hide(&mut self, at: usize) {
        self.hidden += self.len().saturating_sub(at);
    }

    pub(super) fn show(&mut self) {
        self.hidden = 0;
    }

    /// Where the byte at `at` stands in all that was ever received.
    pub(super) fn place(&self, at: usize) -> u64 {
        self.before + (self.start + at) as u64
    }

    /// Where the byte at `place` stands now; those that were taken, at the start.
    pub(super) fn at(&self, place: u64) -> usize {
        usize::try_from(place.saturating_sub(self.place(0))).unwrap_or(usize::MAX)
    }

    /// Where `text` first stands between `from` and `to`.
    pub(super) fn find(&mut self, text: &[u8], from: usize, to: usize) -> Option<usize> {
        let to = to.min(self.len());
        if to.saturating_sub(from) <= SHORT {
            let found = super::understand::find(self.get(from..to).unwrap_or_default(), text).map(|at| from + at);
            #[cfg(test)]
            WORK.set(WORK.get() + to.saturating_sub(from));
            return found;
        }
        let (base, begin) = (self.place(0), self.place(from));
        let index = self.searches.iter().position(|search| search.text == text).unwrap_or_else(|| {
            self.searches.truncate(MOST_SEARCHES - 1);
            self.searches.push_front(Search { text: text.to_vec(), from: begin, to: begin });
            0
        });
        let known = &self.searches[index];
        let first = if (known.from..=known.to).contains(&begin) { self.at(known.to) } else { from };
        let found = super::understand::find(self.get(first..to).unwrap_or_default(), text).map(|at| first + at);
        // What is too short for the text may begin it.
        let looked = found.unwrap_or((to + 1).saturating_sub(text.len())).max(first);
        #[cfg(test)]
        WORK.set(WORK.get() + looked - first);
        let search = &mut self.searches[index];
        if first == from {
            search.from = begin;
        }
        search.to = base + looked as u64;
        found
    }
}
