//! What a session has learned of its board and line, for the next session with the same board.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The smallest and the largest piece of a long request.
pub(crate) const SMALLEST_PIECE: usize = 16;
pub(crate) const LARGEST_PIECE: usize = 192;

/// What a session has learned of its board and of the line to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Learned {
    /// Whose it is.
    pub board: String,
    /// How large the pieces of a long request may be, in bytes.
    pub piece: usize,
    /// The shortest time that a question and its answer took.
    pub turn_time: Option<Duration>,
    /// Whether Ctrl-C stops what runs.
    pub obeys_ctrl_c: Option<bool>,
}

impl Learned {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self { board: String::new(), piece: 2 * SMALLEST_PIECE, turn_time: None, obeys_ctrl_c: None }
    }

    pub(crate) fn timed_turn(&mut self, took: Duration) {
        self.turn_time = Some(self.turn_time.map_or(took, |known| known.min(took)));
    }

    /// Pieces grow while the line bears them, and shrink when it does not.
    pub(crate) fn line_was_good(&mut self) {
        self.piece = (self.piece + 8).min(LARGEST_PIECE);
    }

    pub(crate) fn line_was_bad(&mut self) {
        self.piece = (self.piece / 2).max(SMALLEST_PIECE);
    }
}
