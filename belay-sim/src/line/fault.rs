//! What can happen to a byte on its way, because real lines lose, change and hold up bytes and tests must do so on
//! purpose.

use std::time::Duration;

/// Which way a byte travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the program to the board.
    ToBoard,
    /// From the board to the program.
    ToHost,
}

/// What happens to one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The line goes dead here, as when the plug is pulled: this byte and all behind it are lost, both ways.
    Cut,
    /// The byte is lost.
    Drop,
    /// The byte arrives with these bits inverted.
    Flip(u8),
    /// The byte arrives twice.
    Double,
    /// The sender stands still for this time before the byte leaves, and what is behind waits with it.
    Stall(Duration),
    /// The byte takes this much longer to arrive; the sender goes on, so that what is behind comes as one burst.
    Delay(Duration),
}

/// Something that happens at one place of the byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The way that is hit.
    pub direction: Direction,
    /// How many bytes were sent this way before the one that is hit, since the line was made.
    pub at: u64,
    /// What happens to it.
    pub kind: FaultKind,
}

/// Faults at random. The same seed hits the same byte positions, however the bytes are chunked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Noise {
    /// Chooses the positions that are hit.
    pub seed: u64,
    /// Share of the bytes that are lost, 0 to 1.
    pub drop: f64,
    /// Share of the bytes that arrive with one bit inverted, 0 to 1.
    pub flip: f64,
    /// Share of the bytes that arrive twice, 0 to 1.
    pub double: f64,
}

impl Noise {
    /// What happens to the byte at position `at`.
    pub(super) fn strike(&self, direction: Direction, at: u64) -> Option<FaultKind> {
        let way = match direction {
            Direction::ToBoard => 0,
            Direction::ToHost => 1,
        };
        let random = scramble(scramble(self.seed ^ way).wrapping_add(at));
        // 53 bits are what a float holds.
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        if share < self.drop {
            Some(FaultKind::Drop)
        } else if share < self.drop + self.flip {
            Some(FaultKind::Flip(1 << (random & 7)))
        } else if share < self.drop + self.flip + self.double {
            Some(FaultKind::Double)
        } else {
            None
        }
    }
}

/// The SplitMix64 generator at state `x`: any input gives an output that looks random.
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
