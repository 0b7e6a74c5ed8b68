//! The reply that a print hides, because the print looks like the start of a longer one.

use std::collections::VecDeque;

use super::{
    frame::{Form, Parsed, Reading, needle},
    machine::END,
    received::Received,
    understand::PROMPT,
};
use crate::codec::msgpack::Limits;
#[cfg(test)]
use crate::codec::msgpack::WORK;

/// How many places may begin the hidden reply at a time. Of more, the last ones are kept: a reply stands right before its
/// prompt.
const MOST_OPEN: usize = 16;

/// A frame behind which a prompt stands.
#[derive(Debug)]
pub(super) struct Prompted {
    pub(super) at: usize,
    pub(super) payload: Vec<u8>,
    pub(super) consumed: usize,
}

/// A search for the first frame that a prompt follows. It goes on where it stopped, and what it finds does not depend on
/// where that was.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// Everything before this place has been looked at.
    looked: u64,
    /// The frames that have begun before and not ended.
    open: VecDeque<(u64, Reading)>,
}

impl Hidden {
    /// Looks at what stands behind `at` and before `end`.
    pub(super) fn find(
        &mut self,
        received: &Received,
        at: usize,
        end: usize,
        form: &Form,
        limits: Limits,
    ) -> Option<Prompted> {
        let needle = needle(form);
        let end = end.min(received.len());
        self.open.retain(|(place, _)| *place > received.place(at));
        let mut here = received.at(self.looked).max(at + 1);
        while let Some(rest) = received.get(here..end) {
            let skip = rest.iter().position(|&b| b == END || b == needle[0]);
            #[cfg(test)]
            WORK.set(WORK.get() + skip.unwrap_or(rest.len()) + 1);
            here += skip.unwrap_or(rest.len());
            let rest = &received[here..end];
            let prompt = rest.starts_with(PROMPT);
            if !prompt && !rest.starts_with(&needle) {
                if PROMPT.starts_with(rest) || needle.starts_with(rest) {
                    break;
                }
                here += 1;
                continue;
            }
            let mut found = None;
            self.open.retain_mut(|(place, reading)| {
                let at = received.at(*place);
                match reading.go_on(&received[at..here]) {
                    Parsed::Incomplete => true,
                    Parsed::Complete { payload, consumed } if prompt && at + consumed == here && found.is_none() => {
                        found = Some(Prompted { at, payload, consumed });
                        true
                    }
                    _ => false,
                }
            });
            if found.is_some() {
                self.looked = received.place(here);
                return found;
            }
            if !prompt {
                if self.open.len() == MOST_OPEN {
                    self.open.pop_front();
                }
                self.open.push_back((received.place(here), Reading::new(*form, limits)));
            }
            here += 1;
        }
        self.looked = self.looked.max(received.place(here));
        None
    }
}
