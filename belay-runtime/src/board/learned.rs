//! What a session has learned of its board and line: how it adapts, and what the next session with the same board may
//! begin with.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::agent::Capabilities;

/// The smallest and the largest piece of a long request.
pub(crate) const SMALLEST_PIECE: usize = 16;
pub(crate) const LARGEST_PIECE: usize = 192;
/// Transfers in a row that must succeed before a faster step is tried again.
const GOOD_BEFORE_FASTER: u8 = 8;

/// How long sources travel, from the fastest way to the one that any line bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Raw-paste, as fast as the board gives credit.
    RawPaste,
    /// Raw-paste in chunks of half a window, with time between them.
    HalfChunks,
    /// Raw-paste in chunks of 32 bytes, with time between them.
    SmallChunks,
    /// Pieces that the board checks one by one.
    Pieces,
}

impl Step {
    pub(crate) fn slower(self) -> Option<Self> {
        match self {
            Self::RawPaste => Some(Self::HalfChunks),
            Self::HalfChunks => Some(Self::SmallChunks),
            Self::SmallChunks => Some(Self::Pieces),
            Self::Pieces => None,
        }
    }

    fn faster(self) -> Self {
        match self {
            Self::RawPaste | Self::HalfChunks => Self::RawPaste,
            Self::SmallChunks => Self::HalfChunks,
            Self::Pieces => Self::SmallChunks,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RawPaste => "raw-paste",
            Self::HalfChunks => "raw-paste in half chunks",
            Self::SmallChunks => "raw-paste in chunks of 32 bytes",
            Self::Pieces => "checked pieces",
        })
    }
}

/// What a session has learned of its board and of the line to it: [`Session::learned`](crate::Session::learned) gives
/// it, [`Builder::learned`](crate::Builder::learned) takes it. It is used for the board that it was learned of and for
/// no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Learned {
    /// Whose it is: implementation, version, platform and unique id of the board.
    pub board: String,
    /// How long sources travel.
    pub step: Step,
    /// How large the pieces of a long request may be, in bytes.
    pub piece: usize,
    /// The highest rate of a transfer so far, in bytes a second.
    pub rate: Option<u32>,
    /// The shortest time that a question and its answer took.
    pub turn_time: Option<Duration>,
    /// Whether Ctrl-C stops what runs.
    pub obeys_ctrl_c: Option<bool>,
    /// Transfers that succeeded in a row.
    #[serde(skip)]
    good: u8,
}

impl Learned {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self {
            board: String::new(),
            step: Step::RawPaste,
            piece: 2 * SMALLEST_PIECE,
            rate: None,
            turn_time: None,
            obeys_ctrl_c: None,
            good: 0,
        }
    }

    /// What a board is known by.
    pub(crate) fn identity(board: &Capabilities) -> String {
        let id = board.unique_id.as_deref().unwrap_or("-");
        format!("{} {} {} {id}", board.implementation, board.version, board.platform)
    }

    pub(crate) fn timed_turn(&mut self, took: Duration) {
        self.turn_time = Some(self.turn_time.map_or(took, |known| known.min(took)));
    }

    pub(crate) fn timed_transfer(&mut self, bytes: usize, took: Duration) {
        let rate = (bytes as f64 / took.as_secs_f64().max(1e-6)) as u32;
        self.rate = Some(self.rate.map_or(rate, |known| known.max(rate)));
    }

    /// Pieces grow while the line bears them, and shrink when it does not.
    pub(crate) fn piece_was_good(&mut self) {
        self.piece = (self.piece + 8).min(LARGEST_PIECE);
    }

    pub(crate) fn piece_was_bad(&mut self) {
        self.piece = (self.piece / 2).max(SMALLEST_PIECE);
    }

    /// A long transfer went through: after a few of them a faster step is tried again.
    pub(crate) fn transfer_was_good(&mut self) {
        self.good += 1;
        if self.good >= GOOD_BEFORE_FASTER {
            self.good = 0;
            self.step = self.step.faster();
        }
    }

    pub(crate) fn transfer_was_bad(&mut self, next: Step) {
        self.good = 0;
        self.step = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_steps_stay_within_their_bounds() {
        let mut learned = Learned::nothing();
        for _ in 0..100 {
            learned.piece_was_good();
        }
        assert_eq!(learned.piece, LARGEST_PIECE);
        for _ in 0..100 {
            learned.piece_was_bad();
        }
        assert_eq!(learned.piece, SMALLEST_PIECE);
        learned.transfer_was_bad(Step::Pieces);
        for _ in 0..u16::from(GOOD_BEFORE_FASTER) * 3 - 1 {
            learned.transfer_was_good();
        }
        assert_eq!(learned.step, Step::HalfChunks);
        for _ in 0..100 {
            learned.transfer_was_good();
        }
        assert_eq!(learned.step, Step::RawPaste);
    }

    #[test]
    fn the_ladder_has_the_four_steps_of_a_transfer() {
        let steps: Vec<_> = std::iter::successors(Some(Step::RawPaste), |step| step.slower()).collect();
        assert_eq!(steps, [Step::RawPaste, Step::HalfChunks, Step::SmallChunks, Step::Pieces]);
    }
}
