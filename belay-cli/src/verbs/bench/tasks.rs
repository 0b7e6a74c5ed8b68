//! What the bench lets a board do: ordinary tasks, as any program has them.

use belay::{Result, Stream};
use serde_bytes::{ByteBuf, Bytes};

/// Bytes in the figures that carry data.
pub(super) const BYTES: usize = 4096;

#[belay::device]
pub(super) trait Tasks {
    /// The call that other tools are compared with: 26 gives 52.5.
    #[belay::task]
    async fn read_temp(&self, pin: u8) -> Result<f64> {
        "return pin * 2 + 0.5"
    }

    /// A thousand ints below a thousand.
    #[belay::task]
    async fn list_1000_int(&self) -> Result<Vec<u16>> {
        "return [i * 7 % 1000 for i in range(1000)]"
    }

    /// A generator of quick items.
    #[belay::task]
    fn stream(&self, count: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        for i in range(count):
            yield i
        "#
    }

    /// 4,096 bytes from the board.
    #[belay::task]
    async fn bytes_in(&self) -> Result<ByteBuf> {
        "return bytes(range(256)) * 16"
    }

    /// Data for the board, which says how much came.
    #[belay::task]
    async fn bytes_out(&self, data: &Bytes) -> Result<usize> {
        "return len(data)"
    }
}

/// Apart from the others, so that a board which cannot hold it can still do them.
#[belay::device]
pub(super) trait Large {
    /// 4 KB of source, half of it tables. A check over 256 samples, and how often they cross a level.
    #[belay::task(file = "source_4k.py")]
    async fn source_4k(&self, step: u16) -> Result<(u16, u16)>;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_source_is_4_kb_after_it_was_made_smaller() {
        // It has neither comments nor indentation to lose.
        let source = include_str!("source_4k.py");
        assert!((4096..4400).contains(&source.len()), "{} bytes", source.len());
    }
}
