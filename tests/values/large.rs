//! Arguments of many kilobytes: how many bytes they take on the way, and what boards without room for them say.

use std::time::Duration;

use belay::{Device, Error, Result, Trust};
use belay_sim::RawPaste;
use serde_bytes::{ByteBuf, Bytes};

use crate::{board::attached, value::Value};

#[belay::device]
pub(crate) trait Large {
    #[belay::task]
    async fn buffer(&self, value: &Bytes) -> Result<ByteBuf> {
        "return value if type(value) is bytes else None"
    }

    #[belay::task]
    async fn singles(&self, value: &[f32]) -> Result<Vec<f32>> {
        "return value if {type(value), type(value[0]), type(value[-1])} == {list, float} else None"
    }

    #[belay::task]
    async fn doubles(&self, value: &[f64]) -> Result<Vec<f64>> {
        "return value if {type(value), type(value[0]), type(value[-1])} == {list, float} else None"
    }

    #[belay::task]
    async fn ints(&self, value: &[i64]) -> Result<Vec<i64>> {
        "return value if {type(value), type(value[0]), type(value[-1])} == {list, int} else None"
    }

    #[belay::task]
    async fn others(&self, value: &[Value]) -> Result<Vec<Value>> {
        "return value if type(value) is list else None"
    }

    /// Only how many there are: the board need not hold the reply too.
    #[belay::task]
    async fn length(&self, value: &[f32]) -> Result<usize> {
        "return len(value)"
    }

    /// Longer than a board may take to read what it is sent.
    #[belay::task]
    async fn slowly(&self, value: &Bytes) -> Result<usize> {
        r#"
        import time
        time.sleep(1.5)
        return len(value)
        "#
    }

    #[belay::task]
    async fn size(&self, value: &Bytes) -> Result<usize> {
        "return len(value)"
    }
}

/// Numbers without a pattern.
pub(crate) fn random() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1_u64), |n| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
        .map(|n| (n >> 33) as u32)
}

fn buffer(len: usize) -> Vec<u8> {
    random().map(|n| n as u8).take(len).collect()
}

fn singles(len: usize) -> Vec<f32> {
    random().map(|n| n as f32 / 7e4).take(len).collect()
}

async fn board(heap: u32, trust: Trust) -> Device {
    attached(heap, RawPaste::Windows, trust).await
}

#[tokio::test]
async fn large_arguments_take_little_more_than_their_raw_size() {
    for (trust, most) in [(Trust::Trusted, 1.2), (Trust::Verified, 1.35)] {
        let board = board(192 * 1024, trust).await;
        let bytes = buffer(32 * 1024);
        let floats = singles(2000);
        let doubles: Vec<f64> = floats.iter().map(|x| f64::from(*x) / 3.0).collect();
        let exact: Vec<f64> = floats.iter().map(|x| f64::from(*x)).collect();
        let ints: Vec<i64> = random().map(|n| i64::from(n as i16)).take(2000).collect();
        // Deployed before anything is counted.
        board.buffer(Bytes::new(b"")).await.unwrap();
        board.singles(&[0.0]).await.unwrap();
        board.doubles(&[0.0]).await.unwrap();
        board.ints(&[0]).await.unwrap();

        let mut before = board.session().traffic().bytes_out;
        let mut state = |what: &str, raw: usize| {
            let now = board.session().traffic().bytes_out;
            let factor = (now - std::mem::replace(&mut before, now)) as f64 / raw as f64;
            println!("{trust:?}: {what}: {factor:.3} times {raw} bytes");
            assert!(factor < most, "{what}: {factor}");
        };
        assert_eq!(board.buffer(Bytes::new(&bytes)).await.unwrap(), bytes);
        state("32 KiB of random bytes", 32 * 1024);
        assert_eq!(board.singles(&floats).await.unwrap(), floats);
        state("2,000 f32", 8000);
        assert_eq!(board.doubles(&doubles).await.unwrap(), doubles);
        state("2,000 f64", 16_000);
        assert_eq!(board.doubles(&exact).await.unwrap(), exact);
        state("2,000 f64 that are float32 values", 8000);
        assert_eq!(board.ints(&ints).await.unwrap(), ints);
        state("2,000 ints of 16 bits", 4000);
    }
}

#[tokio::test]
async fn packed_lists_hold_every_number_exactly() {
    let board = board(192 * 1024, Trust::Trusted).await;
    for shift in 0..63 {
        let list: Vec<i64> =
            random().map(|n| (i64::from(n) << 33 | i64::from(n)).wrapping_mul(7) >> shift).take(100).collect();
        for list in
            [list.clone(), list.iter().map(|n| n & i64::MAX).collect(), [list, vec![i64::MIN, i64::MAX]].concat()]
        {
            assert_eq!(board.ints(&list).await.unwrap(), list, "{shift}");
        }
    }
    let special = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, 0.1];
    let singles = special.repeat(9);
    let bits = |list: &[f32]| list.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&board.singles(&singles).await.unwrap()), bits(&singles));
    let mut doubles: Vec<f64> = singles.iter().map(|x| f64::from(*x)).collect();
    let bits = |list: &[f64]| list.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&board.doubles(&doubles).await.unwrap()), bits(&doubles));
    doubles.extend([5e-324, f64::MAX, f64::MIN_POSITIVE, 0.1]);
    assert_eq!(bits(&board.doubles(&doubles).await.unwrap()), bits(&doubles));
    assert!(board.doubles(&[f64::NAN; 40]).await.unwrap().iter().all(|x| x.is_nan()));
    // What is no list of numbers of one type.
    let others: Vec<Value> = (0..3000).map(|n| if n % 700 == 699 { Value::None } else { Value::Int(n) }).collect();
    assert_eq!(board.others(&others).await.unwrap(), others);
}

/// Whether it came whole. Anything but that and a full heap is a failure.
pub(crate) fn arrived(what: &str, outcome: Result<usize>, len: usize) -> bool {
    match outcome {
        Ok(came) => {
            assert_eq!(came, len, "{what}");
            true
        }
        Err(Error::Exception { exception, .. }) if exception.kind() == "MemoryError" => false,
        Err(error) => panic!("{what} of {len}: {error}"),
    }
}

#[tokio::test]
async fn a_board_without_room_says_so() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let board = board(64 * 1024, trust).await;
        let (mut bytes, mut floats) = (vec![], vec![]);
        for size in [1024, 2048, 4096, 8192, 16 * 1024, 32 * 1024] {
            let value = buffer(size);
            bytes.push(arrived("a buffer", board.size(Bytes::new(&value)).await, size));
            let list = singles(size / 4);
            floats.push(arrived("a list", board.length(&list).await, list.len()));
            assert_eq!(board.length(&[1.0, 2.0]).await.unwrap(), 2, "after {size} bytes");
        }
        println!("{trust:?}, 64 KB of heap, 1 to 32 KiB: buffers {bytes:?}, lists of float32 {floats:?}");
        assert!(bytes[..3].iter().chain(&floats[..3]).all(|came| *came) && !bytes[5], "{bytes:?} {floats:?}");
    }
}

/// A board that has read all of it is not one that has lost the end of it, however long it is silent then.
#[tokio::test]
async fn a_call_with_a_large_argument_may_take_its_time() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let board = board(64 * 1024, trust).await;
        for size in [100, 250, 1000, 3000] {
            assert_eq!(board.slowly(Bytes::new(&buffer(size))).await.unwrap(), size);
        }
    }
}

/// What is kept of a request while its pieces come must not stay when there is no room for all of them.
#[tokio::test]
async fn the_pieces_of_what_did_not_fit_are_freed() {
    // The small agent, and the large one.
    for heap in [30, 64] {
        let board = attached(heap * 1024, RawPaste::Unknown, Trust::Verified).await;
        let board = board.with_timeout(Duration::from_secs(60));
        let free = async || {
            let free = board.session().eval::<u32>("(__import__('gc').collect(), __import__('gc').mem_free())[1]");
            free.await.unwrap()
        };
        // Deployed before anything is counted.
        board.size(Bytes::new(b"")).await.unwrap();
        let before = free().await.min(free().await);
        for size in [before, before * 2 / 3, before / 2] {
            let size = size as usize;
            if arrived("a buffer", board.size(Bytes::new(&buffer(size))).await, size) {
                continue;
            }
            let after = free().await;
            println!("{heap} KB of heap: {before} bytes free, {after} after {size} did not fit");
            // Pieces that stayed would be most of it; a table of the board's own that grew is far less.
            let kept = before.saturating_sub(after) as usize;
            assert!(kept < size / 8, "{heap} KB: {before} {after}");
        }
    }
}
