//! What a cached call takes on the line, byte by byte.

use belay::{Device, Result, Traffic, Trust};
use belay_sim::{Board, Options};

#[belay::device]
trait Sensor {
    #[belay::task]
    async fn read_temp(&self, pin: u8) -> Result<f64> {
        "return pin * 2 + 0.5"
    }
}

/// What ten calls of a task that is on the board take; each is checked.
async fn ten_calls(device: &Device) -> Traffic {
    assert_eq!(device.read_temp(26).await.unwrap(), 52.5);
    let before = device.session().traffic();
    for _ in 0..10 {
        assert_eq!(device.read_temp(26).await.unwrap(), 52.5);
    }
    // The prompt behind the last reply may not have come yet, and that behind the one before the first may have.
    device.session().traffic() - before
}

/// Virtual boards have 64-bit floats: their replies are four bytes longer than those of boards with 32-bit floats.
const WIDER: u64 = 4;

async fn each(trust: Trust, others: bool) -> u64 {
    let board = Board::start(&Options::default()).unwrap();
    let device = Device::builder().trust(trust).connect("bytes", board.connect()).await.unwrap();
    if others {
        // Ten other tasks, so that this one's number has two digits.
        others::deploy(&device).await;
    }
    let used = ten_calls(&device).await;
    assert_eq!((used.writes, used.turns), (10, 10), "{used:?}");
    let bytes = used.bytes_out + used.bytes_in;
    assert!(bytes.abs_diff(bytes / 10 * 10) <= 6, "{used:?}");
    (bytes as f64 / 10.0).round() as u64 - WIDER
}

mod others {
    use super::{Device, Result};

    macro_rules! tasks {
        ($($name:ident)*) => {
            $(#[belay::task]
            async fn $name(device: &Device) -> Result<u8> {
                "return 1"
            })*
            pub(super) async fn deploy(device: &Device) {
                $(assert_eq!($name(device).await.unwrap(), 1);)*
            }
        };
    }

    tasks! { one two three four five six seven eight nine ten }
}

#[tokio::test]
async fn a_cached_call_takes_22_bytes_on_a_trusted_line_24_from_the_tenth_task_on_and_32_on_a_verified_one() {
    let first = each(Trust::Trusted, false).await;
    let tenth = each(Trust::Trusted, true).await;
    let verified = each(Trust::Verified, false).await;
    println!("read_temp(26) -> 52.5 as float32: {first} bytes; from the tenth task on {tenth}; verified {verified}");
    assert!(first <= 22 && tenth <= 24 && verified <= 32, "{first} {tenth} {verified}");
}
