//! When to ask a board that is at work whether it still is: what it says after a reset is never an answer, and no text
//! tells it from what a program prints.

use std::time::Duration;

use tokio::time::Instant;

/// How long a board that said something has to be quiet before it is asked.
const QUIET: Duration = Duration::from_millis(50);
/// The same for one that has said nothing at all; each time it is asked, both become twice as long.
const SILENT: Duration = Duration::from_secs(1);
/// How often one that does not answer is asked: each question stays in its input until what runs there has ended.
const MOST_QUESTIONS: u32 = 6;

/// What has been heard of the request that runs.
#[derive(Default)]
pub(super) struct Silence {
    of: u64,
    questions: u32,
    due: Option<Instant>,
}

impl Silence {
    /// When the board is to be asked about this request, if nothing is heard before.
    pub(super) fn due(&mut self, of: u64) -> Option<Instant> {
        if self.of != of {
            *self = Self { of, questions: 0, due: Some(Instant::now() + SILENT) };
        }
        self.due
    }

    /// Something was printed; whether that makes the question due sooner.
    pub(super) fn broken(&mut self) -> bool {
        let Some(due) = self.due else { return false };
        let quiet = Instant::now() + QUIET * 2_u32.pow(self.questions);
        self.due = Some(quiet);
        quiet < due
    }

    /// The request is on its way in pieces, and the board has taken one.
    pub(super) fn put_off(&mut self) {
        self.due = self.due.map(|_| Instant::now() + SILENT * 2_u32.pow(self.questions));
    }

    /// The board has been asked.
    pub(super) fn asked(&mut self) {
        self.questions += 1;
        let again = self.questions < MOST_QUESTIONS;
        self.due = again.then(|| Instant::now() + SILENT * 2_u32.pow(self.questions));
    }
}
