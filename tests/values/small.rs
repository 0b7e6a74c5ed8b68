//! The same on MicroPython 1.9.2 with 9 KB of heap: the micro:bit, in QEMU.

use std::time::Duration;

use belay::{
    Device, Result,
    codec::args::{LiteralOptions, to_literal},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_bytes::Bytes;
use tokio::runtime::Runtime;

use crate::{
    large::{Large, arrived},
    microbit::Microbit,
    value::{Key, Value, buffers, ints, texts},
};

/// Random values, unless `BELAY_VALUES` says how many.
const VALUES: u32 = 500;

/// Heap that one object more or less of the board's own may take.
const SLACK: u32 = 128;

/// Bytes of a value as Python.
const LONGEST: usize = 350;

#[belay::device]
pub(crate) trait Small {
    #[belay::task]
    async fn echo_one(&self, value: &Value) -> Result<Value> {
        "return value"
    }

    #[belay::task]
    async fn free(&self) -> Result<u32> {
        r#"
        import gc
        gc.collect()
        return gc.mem_free()
        "#
    }
}

/// A micro:bit, if it is installed. On CI it must be.
pub(crate) async fn microbit() -> Option<(Microbit, Device)> {
    let microbit = match Microbit::start().await {
        Ok(microbit) => microbit,
        Err(reason) if std::env::var_os("CI").is_some() => panic!("{reason}"),
        Err(reason) => {
            println!("left out: {reason}");
            return None;
        }
    };
    let board = Device::builder().open_timeout(Duration::from_secs(30)).open(&microbit.port).await;
    let board = board.expect("it is attached to");
    // 1.9.2 does, and whoever does not find it out uses the board up.
    assert!(board.session().capabilities().expect("it says what it can do").interns_bytes);
    Some((microbit, board))
}

/// Floats that 30 bits hold: the others are rounded before they are sent.
fn floats() -> impl Strategy<Value = f64> {
    let exact = |bits: u32| f64::from(f32::from_bits(bits & !3));
    prop_oneof![
        any::<u32>().prop_map(exact).prop_filter("no NaN, no subnormal number", |x| x.is_infinite() || x.abs() > 1e-37),
        prop::sample::select(vec![0.0, -0.0, 1.0, -273.25, 0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]),
    ]
}

/// What is small enough for 9 KB, several times over.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::None),
        1 => any::<bool>().prop_map(Value::Bool),
        4 => ints().prop_map(Value::Int),
        4 => floats().prop_map(Value::Float),
        4 => texts().prop_map(Value::Str),
        3 => buffers().prop_map(|mut bytes| {
            bytes.truncate(60);
            Value::Bytes(bytes)
        }),
        1 => (0..64_u32, vec(any::<i64>(), 8..20)).prop_map(|(bits, items)| {
            Value::List(items.into_iter().map(|item| Value::Int((item >> bits).into())).collect())
        }),
        1 => vec(floats().prop_map(Value::Float), 8..20).prop_map(Value::List),
    ];
    let keys = prop_oneof![any::<i64>().prop_map(Key::Int), texts().prop_map(Key::Str)];
    let any = leaf.prop_recursive(3, 8, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(keys.clone(), inner, 0..3)
                .prop_map(|map| Value::Dict(map.into_iter().collect())),
        ]
    });
    any.prop_filter("it is too long", |value| {
        to_literal(value, &LiteralOptions::default()).is_ok_and(|l| l.len() < LONGEST)
    })
}

#[test]
fn every_value_comes_back_from_a_microbit() {
    let wanted = std::env::var("BELAY_VALUES").ok().map_or(VALUES, |n| n.parse().expect("BELAY_VALUES is a number"));
    let runtime = Runtime::new().unwrap();
    let Some((_microbit, board)) = runtime.block_on(microbit()) else { return };
    let config = Config { cases: wanted, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    // The second says what is free while a short reply is kept.
    let free = || runtime.block_on(async { board.free().await.and(board.free().await).unwrap() });
    let begun = free();
    let outcome = runner.run(&values(), |sent| {
        let came = runtime
            .block_on(board.echo_one(&sent))
            .map_err(|error| TestCaseError::fail(format!("{error}: {error:?}")))?;
        prop_assert_eq!(came, sent);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let after = free();
    let before = board.session().capabilities().unwrap().free_heap;
    println!(
        "micro:bit: {wanted} values; heap: {before} bytes free, {begun} with the agent and a task, {after} after them"
    );
    assert!(after + SLACK >= begun, "{begun} {after}");
}

#[tokio::test]
async fn a_microbit_takes_large_arguments_or_says_that_it_has_no_room() {
    let Some((_microbit, board)) = microbit().await else { return };
    let board = board.with_timeout(Duration::from_secs(60));
    let (mut bytes, mut floats) = (vec![], vec![]);
    for size in [128, 256, 512, 2048, 8192] {
        let value: Vec<u8> = (0..size).map(|n| ((n * 31) >> 2) as u8).collect();
        bytes.push(arrived("a buffer", board.size(Bytes::new(&value)).await, size));
        let list: Vec<f32> = (0..size / 4).map(|n| n as f32 / 7.0).collect();
        if bytes.ends_with(&[false]) {
            board.session().soft_reset().await.unwrap();
        }
        floats.push(arrived("a list", board.length(&list).await, list.len()));
        if !(bytes.ends_with(&[true]) && floats.ends_with(&[true])) {
            // Pieces of what did not fit may fill the heap.
            board.session().soft_reset().await.unwrap();
        }
        assert_eq!(board.length(&[1.0, 2.0]).await.unwrap(), 2, "after {size} bytes");
    }
    println!("micro:bit, 128 bytes to 8 KiB: buffers {bytes:?}, lists of float32 {floats:?}");
    assert!(bytes[..2].iter().chain(&floats[..2]).all(|came| *came) && !bytes[4] && !floats[4], "{bytes:?} {floats:?}");
}
